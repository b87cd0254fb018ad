"""``kce.pack``: a face folder in a few tar files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress


class PackResult(Result):
    """The packed faces.

    Attributes:
        folder: Their folder.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def faces(self) -> int:
        """Number of faces."""
        return int(self._document["faces"])

    def _records(self) -> list[dict[str, Any]]:
        return [self._document]

    def _summary(self) -> str:
        size = f"{self._document['size'] / 2**20:.0f} MiB"
        return f"{counted(self.faces, 'face')} in {counted(self._document['shards'], 'file')} in {self.folder}, {size}"


def pack(folder: AnyPath, *, to: AnyPath, progress: bool | Progress = True) -> PackResult:
    """Pack a face folder into a few tar files. Called again, it continues where it stopped.

    The new folder has the same png files and the same faces.csv, and everything reads it like the other.

    Args:
        folder: A face folder that ``kce.cut`` finished; it is only read.
        to: The folder of the packed faces.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        Numbers of faces and files, and their size in bytes.

    Raises:
        KCEError: The folder has no faces, or `to` has others.

    Example:
        >>> pack("faces", to="packed", progress=False)
        Traceback (most recent call last):
        kce.errors.KCEError: there is no faces/faces.csv
        hint: `kce cut` makes a face folder
    """
    from kce.faces.pack import pack_faces
    from kce.system.documents import document_to_table

    with shown_progress(progress) as show:
        return PackResult(document_to_table(pack_faces(Path(folder), Path(to), progress=show)), Path(to))
