"""``inputs.json``: which inputs the folder of a trace is for, so that it never answers for those of another trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kce.errors import Refused
from kce.system.documents import Document, read_document, write_document

RECORD = "inputs.json"


@dataclass(frozen=True)
class TraceRecord(Document):
    """What is traced into a folder.

    Attributes:
        inputs: The inputs as they were given; files and folders with their whole paths.
        root: The whole path of a dataset's root; empty = no dataset by its name.
    """

    NOUN: ClassVar[str] = "the record of a trace"
    HINT: ClassVar[str] = "name another folder with --to"

    inputs: tuple[str, ...]
    root: str = ""


def claim_trace_folder(to: Path, inputs: Sequence[str], root: Path | None) -> None:
    """Record what a folder is for, before anything else is written into it.

    Files below two folders may have the same names, which are the keys of their faces.

    Raises:
        Refused: It is for other inputs, or holds something else than a trace.
        BadData: Its record is damaged.
    """
    record = TraceRecord(
        tuple(inputs) if root is not None else tuple(str(Path(one).absolute()) for one in inputs),
        "" if root is None else str(root.absolute()),
    )
    path = to / RECORD
    if path.is_file():
        earlier = read_document(path, TraceRecord)
        if earlier != record:
            raise Refused(f"{to} holds a trace of other inputs: {_difference(earlier, record)}", TraceRecord.HINT)
        return
    if others := sorted(one.name for one in to.iterdir() if not one.name.startswith(".")):
        raise Refused(f"{to} is not the folder of a trace: it holds {others[0]}", TraceRecord.HINT)
    write_document(path, record)


def _difference(earlier: TraceRecord, now: TraceRecord) -> str:
    if earlier.root != now.root:
        return f"its root was {earlier.root or 'not given'}, and is {now.root or 'not given'} now"
    if added := sorted(set(now.inputs) - set(earlier.inputs)):
        return f"{added[0]} is none of them"
    if left_out := sorted(set(earlier.inputs) - set(now.inputs)):
        return f"{left_out[0]} is one of them, and was not given now"
    return "they were given in another order"
