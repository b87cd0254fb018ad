"""The folder for what can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(name: str) -> Path | None:
    """Return the user's folder for what KCE can make again, without making it; None if the user has no such place.

    It is where the platform has it: in ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS in ``~/Library/Caches``, and on
    Windows in ``%LOCALAPPDATA%``.

    Args:
        name: What is kept there.
    """
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    chosen = Path(os.environ.get(variable, ""))
    if chosen.is_absolute():  # the specification has relative ones ignored
        return chosen / "kce" / name
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute():
        return None
    return home.joinpath(*(("Library", "Caches") if sys.platform == "darwin" else (".cache",)), "kce", name)
