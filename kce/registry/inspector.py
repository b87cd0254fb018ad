"""The process that looks at plugins: it imports what may crash or hang, so that the commands need not.

On POSIX each plugin is looked at in a fork, which sees nothing of what another did to its process; elsewhere all are
looked at in turn. Messages go to the parent as lines of JSON: "ready", then for each plugin its report, or else how its
process ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from kce.registry.asking import hook_manager
from kce.registry.discovery import DiscoveredPlugin
from kce.registry.package_metadata import EntryPoint  # noqa: TC001 - read by msgspec
from kce.registry.plugin_report import PluginReport, inspect_plugin
from kce.system.package_files import tolerate_broken_packages

_MOST_MEMORY = 2**34  # bytes a plugin may take while it is looked at; on a small machine, half of what there is


class Task(msgspec.Struct):
    """What the parent asks for.

    Attributes:
        name: The plugin's name.
        source: As ``DiscoveredPlugin`` has it, like the others.
    """

    name: str
    source: str
    path: str
    entry: EntryPoint | None


class Request(msgspec.Struct):
    """All that the parent asks for.

    Attributes:
        tasks: The plugins, in the order in which they are looked at.
        limit: Seconds that the parent waits for one of them.
    """

    tasks: list[Task]
    limit: float


class Answer(msgspec.Struct):
    """What became of a plugin.

    Attributes:
        name: The plugin's name; empty once the process is ready.
        report: What was found; None if its process ended instead.
        files: The files that were loaded with it.
        status: How its process ended: an exit status, or a negative signal; None: it was not in time.
    """

    name: str = ""
    report: PluginReport | None = None
    files: list[str] = []
    status: int | None = 0


def serve() -> None:
    """Answer the request on standard input."""
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    channel = _private_output()
    encode = msgspec.json.Encoder(enc_hook=repr).encode  # held here: a plugin may replace what it finds in modules

    def tell(answer: Answer) -> None:
        data = encode(answer) + b"\n"
        while data:
            data = data[os.write(channel, data) :]

    _limit_resources()
    tolerate_broken_packages()
    tell(Answer())
    for task in request.tasks:
        plugin = DiscoveredPlugin(task.name, task.source, task.path, task.entry)
        if hasattr(os, "fork"):
            status = _in_a_fork(lambda plugin=plugin: tell(_look_at(plugin)), request.limit)  # type: ignore[misc]
            tell(Answer(task.name, status=status))
        else:
            tell(_look_at(plugin))
    os._exit(0)


def _look_at(plugin: DiscoveredPlugin) -> Answer:
    before, process = set(sys.modules), os.getpid()
    report = inspect_plugin(plugin, hook_manager())
    if os.getpid() != process:  # a fork that the plugin made
        os._exit(0)
    loaded = [getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name not in before]
    return Answer(plugin.name, report, [file for file in loaded if isinstance(file, str)])


def _in_a_fork(work: Callable[[], None], limit: float) -> int:
    """Do some work in a fork, and return how that ended."""
    child = os.fork()
    if child == 0:
        try:
            # The parent ends us where we take too long. Should it have ended itself, this does.
            signal.setitimer(signal.ITIMER_REAL, 2 * limit + 1)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _private_output() -> int:
    """Take standard output for our answers alone; what plugins print, and what they read, comes to nothing."""
    channel = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    return channel


def _limit_resources() -> None:
    """No core dumps; an end to memory; and if that is short all the same, the system is to end us and nobody else."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, min(_MOST_MEMORY, half))):
            allowed = resource.getrlimit(limit)[1]
            least = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
            resource.setrlimit(limit, (least, least))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
