"""How many threads to use: one for each core that this process may use and that no other program uses.

Threads of numeric libraries wait for each other after every operation. Where a core is taken by another program, all
wait for the one that shares it: on a shared machine of two cores, two threads got 17 pictures per second through a
network and one got 214.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEASURED_SECONDS = 0.3
_TOLERANCE = 0.25  # of a core: an idle machine is never quite idle


@dataclass(frozen=True)
class MachineLoad:
    """What there is to compute with.

    Attributes:
        cores: Cores that this process may use.
        quota: Cores' worth of time that its control group (container, batch job) allows.
        busy: Cores' worth of time that is used on these cores already.
    """

    cores: int
    quota: float
    busy: float


@dataclass(frozen=True)
class ThreadChoice:
    """A number of threads, and why they are fewer than the cores; empty if they are not."""

    threads: int
    reason: str = ""


def choose_threads(load: MachineLoad) -> ThreadChoice:
    """Choose the number of threads.

    >>> choose_threads(MachineLoad(cores=2, quota=2, busy=0.1))
    ThreadChoice(threads=2, reason='')
    >>> choose_threads(MachineLoad(cores=2, quota=2, busy=1.3)).reason
    'other programs use 1.3 of 2 cores'
    """
    allowed = max(1, min(load.cores, int(load.quota + _TOLERANCE)))
    free = max(1, min(allowed, int(load.cores - load.busy + _TOLERANCE)))
    if free < allowed:
        return ThreadChoice(free, f"other programs use {min(load.busy, load.cores):.1f} of {load.cores} cores")
    if allowed < load.cores:
        return ThreadChoice(allowed, f"this process is allowed {load.quota:.1f} of {load.cores} cores")
    return ThreadChoice(allowed)


def measure_load() -> MachineLoad:
    """Measure the load of the cores that this process may use; it takes 0.3 s."""
    import psutil

    percent = psutil.cpu_percent(interval=_MEASURED_SECONDS, percpu=True)
    usable = [percent[number] for number in _core_numbers() if number < len(percent)]
    cores = max(len(usable), 1)
    return MachineLoad(cores, min([cores, *_quotas()]), sum(usable) / 100)


def usable_cores() -> int:
    """The cores that this process may use, busy or not: for processes that do not wait for each other."""
    cores = len(_core_numbers())
    return choose_threads(MachineLoad(cores, min([cores, *_quotas()]), 0)).threads


def _core_numbers() -> list[int]:
    import psutil

    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return list(process.cpu_affinity())
    return list(range(os.cpu_count() or 1))  # macOS


def _quotas() -> Iterator[float]:
    """Cores' worth of time that the control groups of this process allow, of both versions."""
    with suppress(OSError, ValueError):  # not Linux, or no such groups
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _quotas_of(_CGROUP, path)
            elif "cpu" in controllers.split(","):
                yield from _quotas_of(_CGROUP / "cpu", path)


def _quotas_of(mount: Path, path: str) -> Iterator[float]:
    """The quotas of a group and those above it; a container sees its own group as the mount."""
    group = mount / path.lstrip("/")
    while group.is_relative_to(mount):
        with suppress(OSError, ValueError):  # "max": no limit
            if (group / "cpu.max").is_file():
                quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
            else:
                quota, period = (
                    (group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period")
                )
            if int(quota) > 0:  # -1: no limit
                yield int(quota) / int(period)
        group = group.parent


def user_chose_threads() -> bool:
    """Whether the user has set the number of threads of numeric libraries (OMP_NUM_THREADS), which then stays."""
    return bool(os.environ.get("OMP_NUM_THREADS"))
