"""What engines call by name in a worker process (``"kce.jobs:begin"``)."""

from __future__ import annotations

from kce.study.jobs import begin

__all__ = ["begin"]
