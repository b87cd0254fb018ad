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


def several(name: str, value: AnyPath | Iterable[AnyPath] | None) -> list[str] | None:
    """The values of an argument that takes one or more; None stays None.

    Args:
        name: The argument, for errors.
        value: A text, a path, or several of them.

    Raises:
        KCEError: There is none among several, or something else than texts and paths.

    >>> several("unknown", "One_Swap"), several("unknown", ("One_Swap", "Two_Swap"))
    (['One_Swap'], ['One_Swap', 'Two_Swap'])
    """
    if value is None:
        return None
    values: list[object] = (
        [value] if isinstance(value, str | PathLike) or not isinstance(value, Iterable) else list(value)
    )
    for one in values:
        if not isinstance(one, PathLike):
            require_texts(**{name: one})
    if not values:
        raise KCEError(f"{name} is empty", "give one or more values, or leave it out")
    return [str(one) for one in values]


def require_texts(**values: object) -> None:
    """Raise KCEError if a value is not a text, by its name.

    >>> require_texts(dataset="folder")
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise KCEError(f"{name} = {value!r} is not a text", "give a text in quotes")


def require_numbers(least: float | None = None, **values: object) -> None:
    """Raise KCEError if a value is not a whole number from `least` on, by its name; None is left out.

    >>> require_numbers(1, workers=2, threads=None)
    """
    for name, value in values.items():
        if value is not None and (type(value) is not int or (least is not None and value < least)):
            of = "" if least is None else f" from {least:g} on"
            raise KCEError(f"{name} = {value!r} is not a whole number{of}", f"for example {name} = {least or 1:g}")


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
    """The rows of ``FEATURES.h5:/TABLE``, read in batches; rows that are features already stay as they are.

    Raises:
        KCEError: There is no such table, or it is neither an address nor features.
    """
    if not isinstance(table, str | PathLike):
        if not hasattr(table, "batches"):
            raise KCEError(
                f"a value of type {type(table).__name__} is no table of features",
                "give FEATURES.h5:/TABLE, or kce.Features.from_arrays(x, label)",
            )
        return table
    from kce.features.arrays import open_features

    return open_features(table)
