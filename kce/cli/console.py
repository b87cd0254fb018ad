"""What the commands show, and how they end: messages, tables, bars and the exit status."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from kce.cli.options import repeat_options
from kce.errors import KCEError
from kce.evaluation.formatting import format_interval
from kce.system.interrupts import EndingWhenInterrupted, RaisingWhenInterrupted
from kce.system.machine_faults import fault_of
from kce.system.os_errors import describe_os_error
from kce.system.signals import handling_signal
from kce.system.streams import flush_or_drop, prepare_streams
from kce.system.text import visible_text

if TYPE_CHECKING:
    from types import FrameType

    from kce import types
    from kce.api.results import Result

Command = TypeVar("Command", bound=Callable[..., Any])
R = TypeVar("R", bound="Result")


class _Plain:
    """Typer 0.29 lets pydantic, which takes 0.1 s to load, see whether a --help that was not given is a bool."""

    def get_help_option(self, context: Any) -> Any:
        option = super().get_help_option(context)  # type: ignore[misc]
        if option is not None:
            option.default = False
        return option


class _Command(_Plain, TyperCommand):
    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        options = [parameter for parameter in self.params if isinstance(parameter, TyperOption)]
        several = {name for option in options if option.multiple for name in option.opts}
        flags = {name for option in options if option.is_flag for name in option.opts}
        needed = sum(parameter.required and not isinstance(parameter, TyperOption) for parameter in self.params)
        return super().parse_args(context, list(repeat_options(args, several, {*flags, "--help"}, needed)))


def command_with_defaults(load: Callable[[], Mapping[str, object]]) -> type[TyperCommand]:
    """A class of command whose help takes defaults from code that is too slow to load for every `kce --help`.

    Args:
        load: Returns parameter -> default, as the help is to show it.
    """

    class CommandWithDefaults(_Command):
        def format_help(self, context: Any, formatter: Any) -> None:
            defaults = load()
            for parameter in self.params:
                parameter.default = defaults.get(str(parameter.name), parameter.default)
            super().format_help(context, formatter)

    return CommandWithDefaults


class _Group(_Plain, TyperGroup):
    pass


class App(typer.Typer):
    """A Typer whose errors are for people: a message and a hint where they can fix it, a traceback where we must."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(cls=_Group, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the command line says."""
        prepare_streams()
        with EndingWhenInterrupted():  # until a command begins
            try:
                return super().__call__(*args, **kwargs)
            except OSError as error:  # of a page of help
                _fail_for_system(error)
            finally:
                _finish_output()

    def command(self, *args: Any, **kwargs: Any) -> Callable[[Command], Command]:
        """Register a command that ends as the contract says: 0, 2 with a hint, 130 when interrupted, else 1."""
        register = super().command(*args, **{"cls": _Command, **kwargs})
        return lambda command: register(_ending_well(command))


def _ending_well(command: Command) -> Command:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        from kce.system.package_files import tolerate_broken_packages

        try:
            tolerate_broken_packages()
            # Standard output is the command's alone: what a library or a plugin prints goes where our log goes.
            with (
                RaisingWhenInterrupted(),
                _answering(),
                contextlib.redirect_stdout(sys.stderr),
                handling_signal(signal.SIGTERM, _end),
            ):
                result = command(*args, **kwargs)
        except KCEError as error:
            _fail(error.message, error.hint)
        except KeyboardInterrupt:
            say("interrupted; the same command continues where it stopped")
            with contextlib.suppress(OSError):
                flush_or_drop(sys.stdout)
            # Not sys.exit: where the interrupt came through C code that runs Python (an import of torch), the
            # interpreter remembers it and ends by the signal, whatever status it is given.
            os._exit(130)
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                flush_or_drop(sys.stdout)
            sys.exit(1)
        except OSError as error:
            _fail_for_system(error)
        except UnicodeEncodeError as error:
            _fail(*_describe_name(error))
        except Exception as error:
            from kce.registry.asking import describe_error, plugin_behind

            if fault := fault_of(error):  # too little memory, too few threads: whoever asked for them
                _fail(fault.message, fault.hint)
            if plugin := plugin_behind(error):
                _fail(f"plugin {plugin} fails with {describe_error(error)}", "`kce check` checks it; tell its author")
            raise
        return result

    return cast("Command", guarded)


def _fail_for_system(error: OSError) -> NoReturn:
    """End with what the system refused: no such error is a fault of ours."""
    with contextlib.suppress(OSError):
        flush_or_drop(sys.stdout)
    words, hint = describe_os_error(error)
    _fail(f"{error.filename}: {words}" if error.filename else words, hint)


def _finish_output() -> None:
    """Write what is buffered, since Python has no words for a failure when it ends."""
    try:
        flush_or_drop(sys.stdout)
    except BrokenPipeError:  # nobody reads our output any more
        sys.exit(1)
    except OSError as error:
        words, hint = describe_os_error(error)
        _fail(f"the output cannot be written: {words}", hint)


def _describe_name(error: UnicodeEncodeError) -> tuple[str, str]:
    """What is wrong with a name that cannot be encoded, and what to do about it."""
    name = error.object if len(error.object) <= 200 else f"{error.object[:200]}..."
    if error.encoding.lower().replace("-", "") == "utf8":
        return f"not valid UTF-8: {name!a}", "rename the file or folder"
    return f"this system's encoding, {error.encoding}, has no {name!a}", "set PYTHONUTF8=1, and try again"


def _end(_: int, frame: FrameType | None) -> None:
    """A batch system that takes the machine away (SIGTERM) is answered as Ctrl-C is: all is saved first."""
    interrupt = signal.getsignal(signal.SIGINT)
    if not callable(interrupt):  # shells have their background jobs ignore Ctrl-C
        raise KeyboardInterrupt
    interrupt(signal.SIGINT, frame)


_ANSWERS: ContextVar[TextIO] = ContextVar("answers")


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    token = _ANSWERS.set(sys.stdout)
    try:
        yield
    finally:
        _ANSWERS.reset(token)


def _answers() -> TextIO:
    """Where a command answers."""
    return _ANSWERS.get(sys.stdout)


def _fail(message: str, hint: str) -> NoReturn:
    if os.environ.get("KCE_DEBUG") == "1":
        traceback.print_exc()
    say(f"error: {message}")
    say(f"hint: {hint or 'KCE_DEBUG=1 shows where this comes from'}")  # a plugin's error may have none
    sys.exit(2)


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
    print(terminal_text(text), file=_answers())


def print_json(document: Any) -> None:
    """Print a document as the command's result, in ASCII: it is the same in every encoding."""
    print(json.dumps(document, indent=1), file=_answers())


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

    output = _answers()
    width = Console(file=output).width if output.isatty() else None  # a pipe or a file has no width
    cells = [[visible_text(cell) for cell in row] for row in rows]
    for line in ("", *table_lines(head, cells, width, prose, secondary), ""):
        print_line(line)


def print_markdown(text: str) -> None:
    """Show a page: rendered, page by page, where a person reads it; as it is written in a pipe or a file."""
    output = _answers()
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
