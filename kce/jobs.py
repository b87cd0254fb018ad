"""The entry point that engines call by name in their worker processes (``"kce.jobs:begin"``)."""

from __future__ import annotations

from kce.study.jobs import begin

__all__ = ["begin"]
