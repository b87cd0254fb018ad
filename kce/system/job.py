"""A piece of work that may be done in another process or on another machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from kce.system.signals import answered


@dataclass(frozen=True)
class Job:
    """A piece of a study's work, as an engine gets it: a name and plain parameters, which may go to any machine that
    sees the same files. Calling it does the work in the calling process.

    name         what people call it
    function     what does it, as "module:function"; is given the parameters
    parameters   JSON's own types only
    gpus         how many it can use; an engine whose machines have none gives it none
    threads      how many it was planned for
    environment  variables set before the work; an engine adds those that give a job its threads and its GPU
    """

    name: str
    function: str
    parameters: Mapping[str, Any]
    gpus: float = 1
    threads: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> Any:
        # Before the import: torch reads these when it is loaded.
        os.environ.update({"OMP_NUM_THREADS": str(self.threads), **self.environment})
        module, _, function = self.function.partition(":")
        work = getattr(import_module(module), function)
        # A worker is deaf to Ctrl-C but while it works: libraries that load take it badly.
        with answered(signal.SIGINT, signal.default_int_handler):
            return work(**self.parameters)
