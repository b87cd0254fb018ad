"""The version of KCE. Not in ``kce/__init__.py``, which somebody else's package called ``kce`` may overwrite."""

from __future__ import annotations

__version__ = "0.1.0"
