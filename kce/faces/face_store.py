"""Where the pictures of a face folder are: a file each, or packed in shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kce.data.packed import INDEX, packed_reader
from kce.data.pictures import read_picture_file
from kce.data.shards import shard_sizes
from kce.errors import Refused
from kce.faces.file_names import content_hash
from kce.faces.shard_store import ShardStore
from kce.system.atomic import write_atomic
from kce.system.os_errors import system_failure
from kce.system.regular import NotRegular, read_regular, require_file_inside

if TYPE_CHECKING:
    from kce.faces.tables import FaceRow


class FaceStore(Protocol):
    """What a cut does with the pictures of faces."""

    def is_intact(self, row: FaceRow) -> bool:
        """Whether the picture of a row is there, and has its hash. Raises MachineFault if it cannot be read."""

    def write(self, row: FaceRow, png: bytes) -> None:
        """Write the picture of a row; raises OSError if that is not possible."""

    def finish(self, rows: Iterable[FaceRow], *, complete: bool) -> None:
        """Called when all pictures are written, before the tables are.

        Args:
            rows: All faces of the folder.
            complete: Whether these are really all; not if some of them were lost with a damaged table.
        """

    def close(self) -> None:
        """Close open files, also after an error."""


class SingleFiles:
    """A PNG file for each face.

    Args:
        root: The face folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def is_intact(self, row: FaceRow) -> bool:
        """See ``FaceStore``."""
        try:
            require_file_inside(self._root, row.file)
            return content_hash(read_regular(self._root / row.file)) == row.hash
        except (FileNotFoundError, NotADirectoryError, NotRegular):
            return False
        except OSError as error:  # it may be whole: cutting it again would be no answer
            raise system_failure(f"{self._root / row.file} cannot be read", error) from error

    def write(self, row: FaceRow, png: bytes) -> None:
        """See ``FaceStore``."""
        path = self._root / row.file
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, png, sync=False)  # flushing a million small files takes hours

    def finish(self, rows: Iterable[FaceRow], *, complete: bool) -> None:
        """See ``FaceStore``."""

    def close(self) -> None:
        """See ``FaceStore``."""


def face_reader(root: Path) -> Callable[[str], bytes]:
    """A function that reads the PNG file of a face by its path in the folder, in several threads at once.

    It raises BadData for one that is damaged or that a link outside of the folder leads to, and MachineFault for one
    that is missing or cannot be read.
    """

    def read_single(file: str) -> bytes:
        require_file_inside(root, file)
        return read_picture_file(root / file)

    return packed_reader(root) or read_single


def open_store(root: Path, rows: Callable[[], Iterable[FaceRow]], *, pack: bool) -> FaceStore:
    """The store of a folder: packed if it is so already, or if that is asked for and it has no faces yet.

    Args:
        root: The face folder, whose lock is held.
        rows: The faces that were cut so far.
        pack: Whether faces are to be packed.

    Raises:
        Refused: The folder has its faces as single files, and they are to be packed.
    """
    packed = os.path.lexists(root / INDEX) or bool(shard_sizes(root))
    if pack and not packed and any(rows()):
        raise Refused(
            f"the faces in {root} are single files", f"`kce pack {root} --to NEW` packs them, and cuts go on in NEW"
        )
    return ShardStore(root, rows) if packed or pack else SingleFiles(root)
