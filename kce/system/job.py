"""The class ``Job``: a function's name and arguments, to be called in another process or on another machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from kce.system.package_files import tolerate_broken_packages
from kce.system.signals import handling_signal


@dataclass(frozen=True)
class Job:
    """One piece of work, as an engine receives it; calling it does the work in the calling process.

    A job is a function's name and plain parameters, so it can go to any machine that sees the same files.

    Attributes:
        name: Shown to the user.
        function: What does the work, as "module:function"; it is called with `parameters`.
        parameters: Keyword arguments, of JSON's types only.
        gpus: How many GPUs it can use; an engine whose machines have none gives it none.
        threads: How many threads it was planned for.
        environment: Variables that are set before the work; an engine adds those that assign threads and a GPU.

    Example:
        >>> job = Job("text", "json:dumps", {"obj": [1, None]})
        >>> job()
        '[1, null]'
    """

    name: str
    function: str
    parameters: Mapping[str, Any]
    gpus: float = 1
    threads: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> Any:
        """Do the work and return its result; raises whatever the function raises."""
        # Before the import: torch reads these when it is loaded.
        os.environ.update({"OMP_NUM_THREADS": str(self.threads), **self.environment})
        tolerate_broken_packages()
        module, _, function = self.function.partition(":")
        work = getattr(import_module(module), function)
        # Workers ignore Ctrl-C except while they work: an interrupt during imports breaks some libraries.
        with handling_signal(signal.SIGINT, signal.default_int_handler):
            return work(**self.parameters)
