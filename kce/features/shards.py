"""Shards of an unfinished table: small HDF5 files, each of which is complete or does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.errors import BadData
from kce.features.hdf5 import (
    TEXT_COLUMNS,
    checked_table,
    open_feature_file,
    read_rows,
    replace_feature_file,
    text_widths,
)
from kce.features.table import provenance_from_json, provenance_to_json

if TYPE_CHECKING:
    from kce.types import Features

_TABLE = "rows"


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of an unfinished table.

    Attributes:
        provenance: Everything that decides what the rows are.
        start: The number of the first of them in the table.
        rows: The rows.
    """

    provenance: Mapping[str, str]
    start: int
    rows: Features


def shard_name(number: int) -> str:
    """Return the file name of a shard, by its number from 0."""
    return f"{number:05d}.h5"


def write_shard(path: Path, provenance: Mapping[str, str], start: int, rows: Features) -> None:
    """Write a shard; it is complete and synced when this returns. Raises KCEError if the disk is full."""
    text = provenance_to_json(provenance)
    attributes = {"provenance": text, "start": str(start), "check": _checksum(text, start, rows)}
    with replace_feature_file(path, path.parent) as new:
        # The shard has a checksum of its own, and is read again soon.
        new.add_table(_TABLE, rows.x.shape[1], text_widths(rows), attributes, checked=False)
        new.append(_TABLE, rows)


def read_shard(path: Path) -> Shard | None:
    """Read a shard; None if there is none, or its checksum is wrong."""
    try:
        with open_feature_file(path) as file:
            group = checked_table(file, _TABLE, path)
            attributes = {name: str(group.attrs.get(name, "")) for name in ("provenance", "start", "check")}
            rows = read_rows(group, str(path))
    except BadData:
        return None
    provenance, start = attributes["provenance"], attributes["start"]
    if not start.isdigit() or attributes["check"] != _checksum(provenance, int(start), rows):
        return None
    return Shard(provenance_from_json(provenance), int(start), rows)


def _checksum(provenance: str, start: int, rows: Features) -> str:
    checksum = xxhash.xxh3_128(f"{provenance}\0{start}\0{rows.x.shape}".encode())
    for column in TEXT_COLUMNS:
        for text in getattr(rows, column).tolist():
            checksum.update(f"{len(text)}:{text}".encode())
    checksum.update(np.ascontiguousarray(rows.x).data)
    return checksum.hexdigest()
