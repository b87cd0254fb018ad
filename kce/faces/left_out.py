"""``left_out.csv`` of a face folder: the files of its datasets that were not cut, and why."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import BadData
from kce.faces.file_names import LEFT_OUT
from kce.faces.tables import read_csv_table, write_csv_table
from kce.system.text import printable

if TYPE_CHECKING:
    from kce.data.losses import Losses

COLUMNS = ("root", "kind", "what")
"""The root of the dataset; "unparsed", "missing", "conflicts", "extra", "vanished", "without_samples" or
"ignored_media"; and the file or folder with the reason, for ignored media the suffix with the number of files."""


def write_left_out(folder: Path, root: str, losses: Losses) -> None:
    """Replace the lines of the dataset with this root by those of the current cut; others are kept.

    A table that cannot be read is replaced: it informs, and nothing depends on it.
    """
    path, root = folder / LEFT_OUT, printable(root)
    lines = [
        (root, kind, line)
        for kind in ("vanished", "unparsed", "missing", "conflicts", "extra", "without_samples")
        for line in getattr(losses, kind)
    ]
    lines += [(root, "ignored_media", f"{suffix}: {count} files") for suffix, count in losses.ignored_media.items()]
    if path.is_file():
        with suppress(BadData):
            lines += [(other, kind, what) for other, kind, what in read_csv_table(path, COLUMNS) if other != root]
    elif not lines:
        return
    write_csv_table(path, COLUMNS, sorted(lines))
