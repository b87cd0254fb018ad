"""How much memory there is for this process: that of the machine, of the container or job it runs in, or its limit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 2**62


def available_memory() -> int:
    """Bytes of memory that can be used without making the system kill a process."""
    import psutil

    return max(min(int(psutil.virtual_memory().available), _left_of_limit(), *_left_in_groups()), 0)


def _left_of_limit() -> int:
    """Bytes of address space that this process may still take (`ulimit -v`)."""
    try:
        import resource
    except ImportError:  # Windows
        return _UNLIMITED
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return _UNLIMITED
    import psutil

    return int(limit - psutil.Process().memory_info().vms)


def _left_in_groups() -> list[int]:
    """Bytes left below the limits of the control groups of this process (containers, batch jobs), of both versions."""
    left = [_UNLIMITED]
    with suppress(OSError, ValueError):  # not Linux, or no such groups
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "memory":
                left += _left(_CGROUP / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")
            elif not controllers:
                left += _left(_CGROUP, path, "memory.max", "memory.current")
    return left


def _left(mount: Path, path: str, limit: str, usage: str) -> list[int]:
    """Limit less usage of a group and those above it. Cached files count as usage, though the system can drop them."""
    left = []
    group = mount / path.lstrip("/")
    while group.is_relative_to(mount):
        with suppress(OSError, ValueError):  # "max": no limit; a container sees its own group as the mount
            text = (group / "memory.stat").read_text(encoding="utf-8")
            stat = dict(line.split() for line in text.splitlines())
            cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            most, used = (int((group / name).read_text(encoding="utf-8")) for name in (limit, usage))
            left.append(most - used + cached)
        group = group.parent
    return left
