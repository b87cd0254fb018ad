"""scikit-learn checks its parameters late, and complains of the data in its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kce import KCEError


def mendable(name: str, call: Callable[[Any], Any], x: Any) -> Any:
    """Its answer, or a KCEError for the ValueError it raises."""
    try:
        return call(x)
    except ValueError as error:  # scikit-learn checks its parameters only now
        raise KCEError(f"{name}: {error}", "`kce show` lists its parameters") from error
