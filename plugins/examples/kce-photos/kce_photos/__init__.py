"""Photographs for KCE: the dataset `photos`, a world with known truth from anybody's pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kce import hookimpl

from .face import Face
from .generators import Generator, Tools
from .packages import Missing
from .photos import Photos

KCE_API = "1.0"

__all__ = ["Face", "Generator", "Missing", "Photos", "Tools", "kce_datasets"]


@hookimpl
def kce_datasets() -> dict[str, Callable[..., Any]]:
    """The world of photographs."""
    return {"photos": Photos}
