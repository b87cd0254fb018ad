"""The CSV file of ``kce scan --csv``: one row per sample."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kce.errors import KCEError
from kce.system.atomic import atomic_replace
from kce.system.os_errors import system_failure

if TYPE_CHECKING:
    from kce.types import Sample

COLUMNS = ("key", "path", "dataset", "method", "category", "label", "group", "identities", "split", "frame")
"""`label` is "real" or "fake"; identities are joined with ";"; an empty field is unknown."""


@contextmanager
def sample_csv_writer(path: Path, root: str | Path) -> Iterator[Callable[[Sample], None]]:
    """Open a CSV file to which samples are written as a stream; it appears when all are written, or not at all.

    Args:
        path: The file.
        root: Paths are written relative to this folder, with "/".

    Yields:
        A function that writes the row of a sample.

    Raises:
        KCEError: The file cannot be written.
    """
    prefix = os.path.join(root, "")  # noqa: PTH118 - a string, since paths are compared with it a million times
    with ExitStack() as stack:
        with _reporting_unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise KCEError(f"{path} is a folder", "give the name of a file")
            if path.exists() and not path.is_file():
                raise KCEError(f"{path} is not a file", "give the name of a file")
            part = stack.enter_context(atomic_replace(path))
            file = part.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            stack.callback(_close, file)
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

        def write(row: Sequence[str]) -> None:
            with _reporting_unwritable(path):
                # For readers a carriage return ends a row; the writer quotes only the line end that it writes itself.
                (quoted if "\r" in "".join(row) else plain).writerow(row)

        write(COLUMNS)
        yield lambda sample: write(_row(sample, prefix))
        with _reporting_unwritable(path):
            file.close()
            stack.close()


def _close(file: IO[str]) -> None:
    with suppress(OSError):  # closing writes the rest, and fails again on a full disk
        file.close()


@contextmanager
def _reporting_unwritable(path: Path) -> Iterator[None]:
    """Turn an OSError about the file into an error for the user."""
    try:
        yield
    except OSError as error:
        raise system_failure(f"{path} cannot be written", error) from error


def _row(sample: Sample, prefix: str) -> list[str]:
    return [
        sample.key,
        _relative(str(sample.path), prefix),
        sample.dataset,
        sample.method,
        sample.category,
        "real" if sample.real else "fake",
        sample.group,
        ";".join(sample.identities),
        sample.split,
        "" if sample.frame is None else str(sample.frame),
    ]


def _relative(path: str, prefix: str) -> str:
    relative = path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, prefix)
    return relative.replace(os.sep, "/")
