"""Pieces of an unfinished table: one small HDF5 file each, that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.errors import BadData
from kce.features.hdf5 import TEXT_COLUMNS, checked_table, open_feature_file, read_rows, replace_feature_file
from kce.features.table import provenance_from_json, provenance_to_json

if TYPE_CHECKING:
    from kce.types import Features

_TABLE = "rows"


@dataclass(frozen=True)
class Shard:
    """Rows of a table, from row number `start` on, and everything that made them."""

    provenance: Mapping[str, str]
    start: int
    rows: Features


def shard_name(number: int) -> str:
    return f"{number:05d}.h5"


def write_shard(path: Path, provenance: Mapping[str, str], start: int, rows: Features) -> None:
    """Write a shard: on disk, synced and whole when this returns. Raises KCEError when the disk is full."""
    text = provenance_to_json(provenance)
    said = {"provenance": text, "start": str(start), "check": _check(text, start, rows)}
    with replace_feature_file(path, path.with_suffix(".new")) as new:
        new.add_table(_TABLE, rows.x.shape[1], said, packed=False)  # soon read again: compressing waits for the table
        new.append(_TABLE, rows)


def read_shard(path: Path) -> Shard | None:
    """The shard, or None where there is none that is whole."""
    try:
        with open_feature_file(path) as file:
            group = checked_table(file, _TABLE, path)
            said = {what: str(group.attrs.get(what, "")) for what in ("provenance", "start", "check")}
            rows = read_rows(group, 0, len(group["key"]), str(path))
    except BadData:
        return None
    if not said["start"].isdigit() or said["check"] != _check(said["provenance"], int(said["start"]), rows):
        return None
    return Shard(provenance_from_json(said["provenance"]), int(said["start"]), rows)


def _check(provenance: str, start: int, rows: Features) -> str:
    check = xxhash.xxh3_128(f"{provenance}\0{start}\0{rows.x.shape}".encode())
    for column in TEXT_COLUMNS:
        for text in getattr(rows, column).tolist():
            check.update(f"{len(text)}:{text}".encode())
    check.update(np.ascontiguousarray(rows.x).data)
    return check.hexdigest()
