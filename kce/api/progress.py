"""How long work shows that it progresses: bars in a terminal or a notebook, on standard error; and what is logged."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kce.system.signals import capturing_log
from kce.system.text import visible_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from kce import types
    from kce.study.scheduler import Task

_NOTEBOOK_SECONDS = 0.2  # between two pictures of the bars that a notebook is sent
_WIDE = 100  # columns; rich cuts off the ends of numbers where a narrower terminal shows everything
_display = threading.Lock()  # held while something is shown: two displays would write over each other
_above: list[Console] = []  # the console of what is shown now


@contextlib.contextmanager
def shown_progress(progress: bool | types.Progress) -> Iterator[types.Progress]:
    """Show how work inside the block progresses.

    Args:
        progress: True shows bars on standard error, or in the notebook; where another thread shows some already, these
            are left out. False shows nothing. A function is called as ``kce.types.Progress`` says.

    Yields:
        What the work is to call.
    """
    if callable(progress):
        yield progress
    elif not progress or not _display.acquire(blocking=False):
        yield lambda *_: None
    else:
        try:
            with _warnings_shown(), _bars() as show:
                yield show
        finally:
            _display.release()


@contextlib.contextmanager
def shown_jobs(
    progress: bool | types.Progress, at_work: Callable[[Task], Mapping[str, Any]], expected: Mapping[str, float]
) -> Iterator[Callable[[Mapping[str, Task]], None]]:
    """Show how the jobs of a study progress: counts, time left, and what each running one does.

    Without a terminal, a line is printed for each job that ends instead.

    Args:
        progress: As for ``shown_progress``; a function is called with the number of jobs that ended.
        at_work: Returns what a running job does, as `machine`, `what`, `done` and `total`; empty if it is not known.
        expected: Seconds that a job should take, by its name, for those that have much to do.

    Yields:
        A function that is called with all tasks by name whenever one changes.
    """
    if callable(progress):
        yield lambda tasks: progress("jobs", sum(_ended(task) for task in tasks.values()), len(tasks))
    elif not progress or not _display.acquire(blocking=False):
        yield lambda _: None
    else:
        try:
            with _warnings_shown(), _board(at_work, expected) as show:
                yield show
        finally:
            _display.release()


@contextlib.contextmanager
def shown_log() -> Iterator[None]:
    """Print what KCE logs inside the block on standard error, a line each, above bars where there are any."""
    with capturing_log(_print_line, logging.INFO):
        yield


def _warnings_shown() -> contextlib.AbstractContextManager[None]:
    """Where nobody handles the log, Python prints its warnings on standard error: here they go above the bars."""
    if logging.getLogger("kce").hasHandlers():
        return contextlib.nullcontext()
    return capturing_log(_print_line, logging.WARNING)


def _print_line(line: str) -> None:
    line = visible_text(line, keep="\n\t")
    if _above:
        _above[-1].print(line, style=None, markup=False, emoji=False, highlight=False, soft_wrap=True)
        return
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - what the command line asked for


@contextlib.contextmanager
def _bars() -> Iterator[types.Progress]:
    """One bar for each thing that is being done, with rate and time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = _console()
    wide = console.width >= _WIDE
    bars = Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=40 if wide else 8),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        *([TimeElapsedColumn()] if wide else []),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,  # what the caller prints is not ours to move
        redirect_stderr=False,
    )
    tasks: dict[str, TaskID] = {}
    with contextlib.ExitStack() as started:
        refresh: Callable[[], None] = lambda: None  # noqa: E731

        def show_progress(what: str, done: int, total: int | None) -> None:
            nonlocal refresh
            if not tasks:  # no empty line for a call that ends before it has anything to show
                refresh = started.enter_context(_live(bars))
            if what not in tasks:
                tasks[what] = bars.add_task(visible_text(what), total=total, completed=done, rate="")
            task = next(t for t in bars.tasks if t.id == tasks[what])
            bars.update(tasks[what], completed=done, total=total, rate=f"{task.speed:.0f}/s" if task.speed else "")
            refresh()

        yield show_progress


@contextlib.contextmanager
def _board(
    at_work: Callable[[Task], Mapping[str, Any]], expected: Mapping[str, float]
) -> Iterator[Callable[[Mapping[str, Task]], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = _console()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not (console.is_terminal or console.is_jupyter)
    bars = Progress(*columns, console=console, disable=hidden, redirect_stdout=False, redirect_stderr=False)
    whole = bars.add_task("study", total=None)
    shown: dict[str, TaskID] = {}
    ended: set[str] = set()

    def show_tasks(tasks: Mapping[str, Task]) -> None:
        for name, task in tasks.items():
            if _ended(task) and name not in ended:
                ended.add(name)
                _print_line(f"[{len(ended)}/{len(tasks)}] {_describe_end(name, task)}")
        running = {name: task for name, task in tasks.items() if task.state == "running"}
        for name in [name for name in shown if name not in running]:
            bars.remove_task(shown.pop(name))
        for name, task in running.items():
            progress = at_work(task)
            if name not in shown:
                shown[name] = bars.add_task(name, total=None)
            doing = f"  {name} on {progress['machine']}: {progress['what']}" if progress else f"  {name}"
            what = visible_text(doing)
            bars.update(shown[name], description=what, completed=progress.get("done", 0), total=progress.get("total"))
        bars.update(whole, description=_summarise(tasks, expected), completed=len(ended), total=len(tasks))
        refresh()

    with _live(bars) as refresh:
        yield show_tasks


def _describe_end(name: str, task: Task) -> str:
    why = f": {task.error.splitlines()[0]}" if task.error else f" in {task.seconds:.0f} s"
    warned = "".join(f"\n  note: {line}" for line in (task.result.warnings if task.result else ()))
    where = f" on {task.machine}" if task.machine else ""
    return f"{task.state} {name}{where}{why}{warned}"


def _ended(task: Task) -> bool:
    return task.state in ("done", "failed")


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


@contextlib.contextmanager
def _live(bars: Progress) -> Iterator[Callable[[], None]]:
    """Show bars inside the block; yields what is called after each change."""
    _above.append(bars.console)
    try:
        if bars.console.is_jupyter:
            yield _notebook_display(bars)
        else:
            with bars:
                yield lambda: None
    finally:
        _above.remove(bars.console)


def _notebook_display(bars: Progress) -> Callable[[], None]:
    """Show bars in a notebook's cell: rich's own display there needs widgets, and shows nothing without them."""
    from IPython.display import display

    handle = display(bars, display_id=True)  # type: ignore[no-untyped-call]
    sent = time.monotonic()

    def refresh() -> None:
        nonlocal sent
        if time.monotonic() - sent > _NOTEBOOK_SECONDS or bars.finished:
            sent = time.monotonic()
            handle.update(bars)

    return refresh


def _summarise(tasks: Mapping[str, Task], expected: Mapping[str, float]) -> str:
    from kce.study.scheduler import seconds_left

    states = [task.state for task in tasks.values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("done", "running", "waiting", "failed"))
    if not {"running", "waiting"} & set(states):
        return counts
    hours, minutes = divmod(round(seconds_left(tasks, expected) / 60), 60)
    left = f"about {hours} h {minutes:02} min" if hours else f"about {minutes} min" if minutes else "less than a minute"
    return f"{counts}, {left} left"
