"""Pieces of an unfinished table: one small HDF5 file each, that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.errors import BadData
from kce.features import hdf5
from kce.features.table import causes, causes_from

if TYPE_CHECKING:
    from kce.types import Features

_TABLE = "rows"


@dataclass(frozen=True)
class Shard:
    """Rows of a table, from row number `start` on, and everything that made them."""

    made: Mapping[str, str]
    start: int
    rows: Features


def name(number: int) -> str:
    return f"{number:05d}.h5"


def write(path: Path, made: Mapping[str, str], start: int, rows: Features) -> None:
    """Write a shard: on disk, synced and whole when this returns. Raises KCEError when the disk is full."""
    text = causes(made)
    said = {"made": text, "start": str(start), "check": _check(text, start, rows)}
    with hdf5.replacing(path, path.with_suffix(".new")) as new:
        new.add_table(_TABLE, rows.x.shape[1], said, packed=False)  # soon read again: compressing waits for the table
        new.append(_TABLE, rows)


def read(path: Path) -> Shard | None:
    """The shard, or None where there is none that is whole."""
    try:
        with hdf5.reading(path) as file:
            group = hdf5.table(file, _TABLE, path)
            said = {what: str(group.attrs.get(what, "")) for what in ("made", "start", "check")}
            rows = hdf5.read_rows(group, 0, len(group["key"]), str(path))
    except BadData:
        return None
    if not said["start"].isdigit() or said["check"] != _check(said["made"], int(said["start"]), rows):
        return None
    return Shard(causes_from(said["made"]), int(said["start"]), rows)


def _check(made: str, start: int, rows: Features) -> str:
    check = xxhash.xxh3_128(f"{made}\0{start}\0{rows.x.shape}".encode())
    for column in hdf5.TEXTS:
        for text in getattr(rows, column).tolist():
            check.update(f"{len(text)}:{text}".encode())
    check.update(np.ascontiguousarray(rows.x).data)
    return check.hexdigest()
