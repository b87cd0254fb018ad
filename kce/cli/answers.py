"""Where a command answers: lines as they come, a JSON document once, when the command ends.

A document waits for the end so that standard output has one whole document whatever happens after it was made.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TextIO

from kce.system.streams import flush_or_drop


class Answer:
    """The answer of one command.

    Attributes:
        stream: Where it is written.
        as_json: Whether it is a JSON document, also when the command fails.
        document: The document, once it was made.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self.stream = stream
        self.as_json = as_json
        self.document: Any = None
        self._made = False

    def hold(self, document: Any) -> None:
        """Keep the document until the command ends."""
        self.document, self._made = document, True

    def finish(self, error: str = "", hint: str = "") -> None:
        """Write the document, in ASCII: it is the same in every encoding. It is written once.

        Of a command that failed it has the keys "error" and "hint" too. A list stays as it is: one who reads it finds
        the same shape either way, and each failure in its own row.
        """
        failed = {"error": error, "hint": hint} if error and self.as_json else {}
        if isinstance(self.document, dict):
            self.hold({**self.document, **failed})
        elif failed and not self._made:
            self.hold(failed)
        if self._made:
            print(json.dumps(self.document, indent=1), file=self.stream)
            self.document, self._made, self.as_json = None, False, False
            flush_or_drop(self.stream)


_ANSWER: ContextVar[Answer] = ContextVar("answer")


@contextlib.contextmanager
def answering(*, as_json: bool) -> Iterator[Answer]:
    """A block whose answer goes to what is standard output now."""
    answer = Answer(sys.stdout, as_json=as_json)
    token = _ANSWER.set(answer)
    try:
        yield answer
    finally:
        _ANSWER.reset(token)


def current_answer() -> Answer:
    """The answer of the command that runs; outside of one, plain lines on standard output."""
    return _ANSWER.get(None) or Answer(sys.stdout, as_json=False)
