"""A short, fixed import path for engines: workers call ``"kce.jobs:begin"``, of ``kce.system.engine_worker``."""

from __future__ import annotations

from kce.system.engine_worker import begin

__all__ = ["begin"]
