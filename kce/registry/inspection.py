"""Looks at plugins of others from a safe distance: in another process, with a time limit, and once for each version.

A plugin may crash, hang or end its process while it is imported. It is then the one that is broken, by name and with
the reason, and the rest is looked at in a new process.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

import msgspec

from kce.errors import MachineFault
from kce.registry.inspector import Answer, Request, Task
from kce.registry.plugin_report import PluginReport
from kce.registry.report_cache import ReportCache
from kce.system.machine_faults import fault_of
from kce.system.signals import FROM_OUTSIDE

if TYPE_CHECKING:
    from kce.registry.discovery import DiscoveredPlugin

LIMIT = 5.0
"""Seconds that importing a plugin may take where all are listed."""
LONG_LIMIT = 8.0
"""Seconds where a command asks for this very plugin: of processor time, or without using any."""

_START = 60.0  # seconds for the process itself to start
_LONGEST_WORK = 120.0  # seconds that a plugin at work may take on a machine that is busy, or with a slow disk
_LOOK = 0.25  # seconds between two looks at whether the process is there
_AT_WORK = 0.02  # of the time, that a process uses a processor
_LONGEST = 2**24  # bytes of an answer
_HINT = "the machine may have too few processes, threads or memory left: try again"
_BOOTSTRAP = """
import json, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline())
from kce.registry.inspector import serve
serve()
"""


def look_at_plugins(plugins: Mapping[str, DiscoveredPlugin], *, asked: bool = False) -> dict[str, PluginReport]:
    """Report what plugins offer, or why they cannot be used, without importing any in this process.

    Reports are kept in the user's cache folder; a plugin is looked at again when it or the installed packages changed.
    An exception is never kept, as it may pass. That a plugin hangs or crashes is kept for an hour, for listings alone.

    Args:
        plugins: The plugins by name, none of them built in.
        asked: Whether a command asks for these very plugins, and not for a listing.

    Returns:
        The report on each by its name.

    Raises:
        MachineFault: The other process cannot be started.
    """
    cache, limit = ReportCache(), LONG_LIMIT if asked else LIMIT
    reports: dict[str, PluginReport] = {}
    waiting: list[DiscoveredPlugin] = []
    for name, plugin in plugins.items():
        if plugin.problem:  # also of two with one name, which are named apart here
            reports[name] = PluginReport("names", plugin.problem)
        elif (kept := cache.find(plugin, usable=asked)) is not None:
            reports[name] = kept
        else:
            waiting.append(plugin)
    while waiting:
        with _Inspector(waiting, limit, _LONGEST_WORK if asked else limit) as inspector:
            while waiting and not inspector.ended:
                plugin = waiting.pop(0)
                answer = inspector.take(plugin.name)
                if answer.report is None:
                    report = PluginReport("imports", _how_it_ended(answer.status, limit))
                    if answer.status is None or -answer.status not in FROM_OUTSIDE:
                        cache.keep(plugin, report)
                else:
                    report = answer.report
                    if not report.check:
                        cache.keep(plugin, report, answer.files)
                reports[plugin.name] = report
    return reports


def _how_it_ended(status: int | None, limit: float) -> str:
    if status is None:
        return f"importing it takes longer than {limit:g} seconds (large libraries belong inside a factory)"
    if status >= 0:
        return f"importing it ends the process (exit status {status})"
    name = str(-status)
    with suppress(ValueError):
        name = signal.Signals(-status).name
    if -status in FROM_OUTSIDE:
        return f"its process was ended ({name}) while it was imported, perhaps for lack of memory"
    return f"importing it crashes the process ({name})"


class _Inspector:
    """The process that looks at plugins, in turn.

    Attributes:
        ended: Whether it has ended, so that the rest needs another.
    """

    def __init__(self, plugins: Iterable[DiscoveredPlugin], limit: float, longest: float) -> None:
        self.ended = False
        self._limit = limit
        self._longest = longest
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        request = Request([Task(one.name, one.source, one.path, one.entry) for one in plugins], longest)
        try:
            # Not multiprocessing: that runs the user's script again, which may load a registry at its top.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own text
                [_python(), "-P", "-c", _BOOTSTRAP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it ends with all that plugins start, and has no terminal
            )
            try:
                self._start(request)
            except BaseException:
                self.close()
                raise
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            what = "the process that looks at plugins"
            raise fault_of(error, what) or MachineFault(f"{what} cannot be started: {error}", _HINT) from error

    def _start(self, request: Request) -> None:
        pipe, answers = self._process.stdin, self._process.stdout
        if pipe is None or answers is None:
            raise AssertionError
        threading.Thread(target=_read, args=(answers, self._lines), daemon=True).start()
        with suppress(BrokenPipeError):  # it has ended, and how is told below
            pipe.write(msgspec.json.encode([str(entry) for entry in sys.path]) + b"\n")
            pipe.write(msgspec.json.encode(request) + b"\n")
        with suppress(BrokenPipeError):
            pipe.close()
        if self._next(time.monotonic() + _START) is None:
            raise OSError(f"it ends with status {self._process.wait(1)}")

    def take(self, name: str) -> Answer:
        """Wait for the answer about a plugin: its report, or how its process ended (None: it did not end in time)."""
        start, used = time.monotonic(), self._work()
        deadline, last = start + self._limit, used
        reported = Answer(name, status=None)
        while True:
            answer = self._next(deadline)
            if answer is None:
                now, work = time.monotonic(), self._work()
                # Importing a large library may take long where much else is running; hanging takes no processor time.
                at_work = work - last > _AT_WORK * self._limit and work - used < self._limit
                if not at_work or now - start > self._longest or self._process.poll() is not None:
                    break
                deadline, last = now + self._limit, work
            elif answer.name == name and answer.report is not None:
                reported = answer
            elif answer.name == name:
                reported.status = answer.status
                return reported
        self.ended = True
        with suppress(subprocess.TimeoutExpired):
            # Where its answers came to an end in time, so did it.
            reported.status = self._process.wait(1 if time.monotonic() < deadline else 0)
        by_itself = reported.status is not None and reported.status >= 0
        if by_itself and hasattr(os, "fork"):  # plugins, in forks of it, can only kill it
            raise MachineFault(f"the process that looks at plugins ended (exit status {reported.status})", _HINT)
        return reported

    def _work(self) -> float:
        """Seconds of processor time that the process and those it started have used."""
        if self._longest <= self._limit:
            return 0.0
        import psutil

        seconds = 0.0
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    seconds += sum(one.cpu_times()[:4])  # with those of children that have ended
        return seconds

    def _next(self, deadline: float) -> Answer | None:
        """The next answer; None if there is none in time, or can be none any more."""
        ended = False
        while True:
            left = deadline - time.monotonic()
            try:
                line = self._lines.get(timeout=max(min(left, _LOOK), 0))
                return msgspec.json.decode(line, type=Answer)
            except queue.Empty:
                # What a plugin started may hold our pipe open when the process has ended.
                if left <= _LOOK or ended:
                    return None
                ended = self._process.poll() is not None
            except (msgspec.DecodeError, RecursionError):
                return None

    def close(self) -> None:
        """End the process, and all that plugins started in it."""
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _python() -> str:
    """The interpreter; whoever embeds Python tells multiprocessing which it is."""
    from multiprocessing.spawn import get_executable

    return os.fsdecode(get_executable() or sys.executable)


def _read(pipe: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """In a thread: queue the lines of a pipe; the last is empty."""
    with pipe, suppress(OSError, ValueError):
        while (line := pipe.readline(_LONGEST)).endswith(b"\n"):
            lines.put(line)
    lines.put(b"")
