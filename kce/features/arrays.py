"""Features by the address of their table, ``FILE.h5:/table``: loading, opening and saving them."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.errors import KCEError
from kce.features.hdf5 import TEXT_COLUMNS
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table, split_table_address

if TYPE_CHECKING:
    from kce.types import Features, FeatureStream


def load_features(address: str | PathLike[str]) -> Features:
    """Read all rows of a stored table.

    Args:
        address: ``FEATURES.h5:/TABLE``.

    Returns:
        The features: key, label, group (n,) str and x (n, dim) float32.

    Raises:
        BadData: There is no such file or table (the hint names the tables of the file), it is damaged, or memory cannot
            hold it.

    Example:
        >>> from kce import Features
        >>> Features.from_arrays([[0.0, 1.0]], ["One_Swap"]).save("features.h5:/known")
        >>> load_features("features.h5:/known").x.tolist()
        [[0.0, 1.0]]
    """
    return open_table(str(address)).read_all()


def open_features(address: str | PathLike[str]) -> FeatureStream:
    """Open a stored table to be read in batches, where memory need not hold it.

    Args:
        address: ``FEATURES.h5:/TABLE``.

    Returns:
        A stream: key, label and group (n,) are in memory; ``batches()`` yields features of some rows at a time.

    Raises:
        BadData: As ``load_features``.

    Example:
        >>> from kce import Features
        >>> Features.from_arrays([[0.0], [1.0], [5.0]], ["One_Swap"] * 3).save("stream.h5:/known")
        >>> rows = open_features("stream.h5:/known")
        >>> len(rows), sum(float(batch.x.sum()) for batch in rows.batches(2))
        (3, 6.0)
    """
    return StoredRows.all_of(open_table(str(address)))


def save_features(features: Features, address: str | PathLike[str]) -> None:
    """Write features as a table; other tables of the file stay.

    The same features again change nothing.

    Args:
        features: At least one row.
        address: ``FEATURES.h5:/TABLE``; the file is made if it does not exist.

    Raises:
        Refused: The table exists with other rows, or another process is writing the file.
        BadData: A key or label is empty or too long, or values are not finite.
        KCEError: The address names no table.

    Example:
        >>> from kce import Features
        >>> features = Features.from_arrays([[0.0, 1.0]], ["One_Swap"])
        >>> save_features(features, "saved.h5:/known")
        >>> save_features(features, "saved.h5")
        Traceback (most recent call last):
        kce.errors.KCEError: 'saved.h5' names no table
        hint: write FILE.h5:/TABLE, such as features.h5:/known
    """
    path, table = split_table_address(str(address))
    if not table:
        raise KCEError(f"{str(address)!r} names no table", "write FILE.h5:/TABLE, such as features.h5:/known")
    with write_table(path, table, {"rows": _content_hash(features)}) as writer:
        rest = slice(writer.done, None)
        if not writer.finished:
            writer.append(features.key[rest], features.label[rest], features.group[rest], features.x[rest])
        writer.publish()


def _content_hash(features: Features) -> str:
    content = xxhash.xxh128()
    for column in TEXT_COLUMNS:
        for text in getattr(features, column).tolist():
            content.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    content.update(np.ascontiguousarray(features.x, np.float32).tobytes())
    content.update(repr(features.x.shape).encode())
    return content.hexdigest()
