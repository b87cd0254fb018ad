"""What the commands show: messages, tables and bars."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kce.cli.answers import current_answer
from kce.errors import KCEError
from kce.evaluation.formatting import format_interval
from kce.system.streams import flush_or_drop
from kce.system.text import visible_text

if TYPE_CHECKING:
    from kce import types
    from kce.api.results import Result

R = TypeVar("R", bound="Result")


def present(call: Callable[[], R], show: Callable[[R], None], as_json: bool) -> None:
    """Call a function of ``kce.api`` and print its result, also one that was made before an error."""
    from kce.api.progress import shown_log

    def print_result(result: R) -> None:
        print_json(result.to_dict()) if as_json else show(result)

    try:
        with shown_log():
            result = call()
    except KCEError as error:
        if error.result is not None:
            print_result(error.result)
        raise
    print_result(result)


def terminal_text(text: str) -> str:
    """Return the text as a terminal may have it: names of others move no cursor and change no colour."""
    return visible_text(text, keep="\n\t")


def say(text: str) -> None:
    """Print a line for people, on standard error."""
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(terminal_text(text), file=sys.stderr)  # noqa: T201 - the command line is what prints
        flush_or_drop(sys.stderr)


def print_scores(result: dict[str, Any]) -> None:
    """Print scores with their intervals as a table."""
    intervals = result["intervals"]
    print_table(
        ["evaluator", "figure", "value", "95 % interval", "n", "seed"],
        [
            [
                evaluator,
                name,
                f"{value:.4g}",
                format_interval(intervals.get(evaluator, {}).get(name), ".4g"),
                str(result["n"]),
                str(result["seed"]),
            ]
            for evaluator, values in result["scores"].items()
            for name, value in values.items()
        ],
    )
    for remark in result["remarks"]:
        say(f"note: {remark}")


def print_problems(what: str, lines: list[str], most: int = 10) -> None:
    """Print the first `most` of the lines on standard error, each after `what`, and how many more there are."""
    for line in lines[:most]:
        say(f"{what}: {line}")
    if len(lines) > most:
        say(f"{what}: and {len(lines) - most} more; --json lists them all")


def print_losses(losses: Mapping[str, Any]) -> None:
    """Print on standard error what a dataset holds that is not a sample, as ``kce.data.losses.Losses`` has it."""
    for what in ("errors", "vanished", "unparsed", "missing", "conflicts", "extra"):
        print_problems(what, list(losses[what]))
    print_problems("no samples in", list(losses["without_samples"]))
    if media := losses["ignored_media"]:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(media.items(), key=lambda item: -item[1]))
        say(f"ignored media: {counts}: KCE, or this dataset's adapter, does not read these suffixes; unpack archives")


def print_line(text: str) -> None:
    """Print a line of the command's result."""
    print(terminal_text(text), file=current_answer().stream)


def print_json(document: Any) -> None:
    """Print a document as the command's result. It is written when the command ends, as ``Answer.finish`` says."""
    current_answer().hold(document)


def print_table(
    head: list[str], rows: list[list[str]], *, prose: Collection[str] = (), secondary: Sequence[str] = ()
) -> None:
    """Print a table as the command's result; on a terminal it fits the width, as ``table_lines`` says.

    Args:
        head: Title of each column.
        rows: The cells.
        prose: Titles of columns of sentences, which may be wrapped between words.
        secondary: Titles of columns that a narrow terminal may do without, the least important last.
    """
    from rich.console import Console

    from kce.cli.table_layout import table_lines

    output = current_answer().stream
    width = Console(file=output).width if output.isatty() else None  # a pipe or a file has no width
    cells = [[visible_text(cell) for cell in row] for row in rows]
    for line in ("", *table_lines(head, cells, width, prose, secondary), ""):
        print_line(line)


def print_markdown(text: str) -> None:
    """Show a page: rendered, page by page, where a person reads it; as it is written in a pipe or a file."""
    output = current_answer().stream
    if not output.isatty():
        return print_line(text.rstrip("\n"))
    from rich.console import Console
    from rich.markdown import Markdown

    os.environ.setdefault("LESS", "FRX")  # colours, and no pager for what fits on the screen
    with contextlib.redirect_stdout(output):  # where the pager looks for a terminal
        console = Console(file=output)
        with console.pager(styles=True):
            console.print(Markdown(text))
    return None


@contextlib.contextmanager
def progress_bars() -> Iterator[types.Progress]:
    """Show bars, and above them what KCE logs, for a command that is no function of ``kce.api``."""
    from kce.api.progress import shown_log, shown_progress

    with shown_log(), shown_progress(progress=True) as show:
        yield show
