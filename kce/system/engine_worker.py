"""How a process becomes the worker of an engine. Nothing else is imported here: what its jobs need, they import."""

from __future__ import annotations

import os
import signal
import threading
import time


def begin() -> int:
    """Turn this process into a worker, which ignores Ctrl-C and ends with its parent; returns its process id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    return os.getpid()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # runs save their state regularly, and nobody is left to stop this one gently
