"""A short, fixed import path for engines: workers call ``"kce.jobs:begin"``, which is in ``kce.study.jobs``."""

from __future__ import annotations

from kce.study.jobs import begin

__all__ = ["begin"]
