"""What arguments of several functions have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import KCEError

if TYPE_CHECKING:
    from kce.types import FeatureStream

AnyPath = str | PathLike[str]

_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?) ?([kMGT]?)B", re.IGNORECASE)


def several(value: AnyPath | Iterable[AnyPath] | None) -> list[str] | None:
    """The values of an argument that takes one or more; None stays None.

    >>> several("One_Swap"), several(("One_Swap", "Two_Swap"))
    (['One_Swap'], ['One_Swap', 'Two_Swap'])
    """
    if value is None:
        return None
    return [str(one) for one in ([value] if isinstance(value, str | PathLike) else value)]


def optional_path(path: AnyPath | None) -> Path | None:
    """The path, if there is one."""
    return None if path is None else Path(path)


def parse_size(size: str | int) -> int:
    """The bytes of a size such as 20GB, in units of 1024, as everywhere in KCE; a number is one of bytes.

    >>> parse_size("1.5GB"), parse_size(2048)
    (1610612736, 2048)
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if not match:
        raise KCEError(f"{size!r} is not a size", "write a number and kB, MB, GB or TB, such as 20GB")
    return int(float(match[1]) * 2 ** (10 * " KMGT".index(match[2].upper() or " ")))


def feature_rows(table: AnyPath | FeatureStream) -> FeatureStream:
    """The rows of ``FEATURES.h5:/TABLE``, read in batches; rows that are features already stay as they are."""
    if not isinstance(table, str | PathLike):
        return table
    from kce.features.arrays import open_features

    return open_features(table)


def at_least(least: float, **values: float) -> None:
    """Raise KCEError if a value is lower than `least`, by its name.

    >>> at_least(1, workers=2)
    """
    for name, value in values.items():
        if not value >= least:
            raise KCEError(f"{name} = {value} is below {least:g}", f"give {least:g} or more")
