"""How commands end: 0; 2 with an error and a hint; 130 when interrupted; else 1 with a traceback."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import typer

from kce.cli.answers import Answer, answering
from kce.cli.console import say
from kce.errors import KCEError
from kce.system.interrupts import RaisingWhenInterrupted, answer_given
from kce.system.machine_faults import fault_of
from kce.system.os_errors import describe_os_error
from kce.system.signals import handling_signal
from kce.system.streams import flush_or_drop

if TYPE_CHECKING:
    from types import FrameType

Command = TypeVar("Command", bound=Callable[..., Any])

CONTINUES = "the same command continues where it stopped"
STARTS_AGAIN = "nothing is continued: the same command starts again"


def ending_well(command: Command, *, continues: bool | str = False) -> Command:
    """A command that ends as the contract says, with one whole document on standard output where that is JSON.

    Args:
        command: The command; its parameter `as_json` says what it answers with.
        continues: Whether, started again, it continues where it was interrupted; or the parameter that names the folder
            it continues in.
    """

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        from kce.system.package_files import tolerate_broken_packages

        with answering(as_json=bool(kwargs.get("as_json"))) as answer:
            try:
                # Standard output is the command's alone: what a library or a plugin prints goes where our log goes.
                with (
                    RaisingWhenInterrupted(),
                    contextlib.redirect_stdout(sys.stderr),
                    handling_signal(signal.SIGTERM, _end),
                ):
                    tolerate_broken_packages()
                    result = command(*args, **kwargs)
                    answer.finish()
                    answer_given()
            except typer.Exit:
                answer.finish()
                raise
            except KCEError as error:
                fail(error.message, error.hint, answer)
            except KeyboardInterrupt:
                _end_interrupted(after_interrupt(kwargs, continues), answer)
            except BrokenPipeError:
                with contextlib.suppress(OSError):
                    flush_or_drop(sys.stdout)
                sys.exit(1)
            except OSError as error:
                fail_for_system(error, answer)
            except UnicodeEncodeError as error:
                fail(*_describe_name(error), answer)
            except Exception as error:
                _fail_for_plugin(error, answer)
                answer.finish(f"{type(error).__name__}: {error}", "a fault of KCE: standard error has its traceback")
                raise
        return result

    return cast("Command", guarded)


def after_interrupt(choices: Mapping[str, Any], continues: bool | str) -> str:
    """What becomes of the work of a command that is interrupted.

    >>> after_interrupt({"to": None}, continues="to")
    'nothing is continued: the same command starts again; with --to it would continue'
    """
    if choices.get("dry_run") or not continues:
        return STARTS_AGAIN
    if isinstance(continues, str) and choices.get(continues) is None:
        return f"{STARTS_AGAIN}; with --{continues} it would continue"
    return CONTINUES


def fail(message: str, hint: str, answer: Answer | None = None) -> NoReturn:
    """End with exit status 2, an error and a hint."""
    hint = hint or "KCE_DEBUG=1 shows where this comes from"  # a plugin's error may have none
    if os.environ.get("KCE_DEBUG") == "1":
        traceback.print_exc()
    say(f"error: {message}")
    say(f"hint: {hint}")
    if answer:
        with contextlib.suppress(OSError):  # of which there is an error already
            answer.finish(message, hint)
    sys.exit(2)


def fail_for_system(error: OSError, answer: Answer | None = None) -> NoReturn:
    """End with what the system refused: no such error is a fault of ours."""
    with contextlib.suppress(OSError):
        flush_or_drop(sys.stdout)
    words, hint = describe_os_error(error)
    fail(f"{error.filename}: {words}" if error.filename else words, hint, answer)


def finish_output() -> None:
    """Write what is buffered, since Python has no words for a failure when it ends."""
    try:
        flush_or_drop(sys.stdout)
    except BrokenPipeError:  # nobody reads our output any more
        sys.exit(1)
    except OSError as error:
        words, hint = describe_os_error(error)
        fail(f"the output cannot be written: {words}", hint)


def _fail_for_plugin(error: Exception, answer: Answer) -> None:
    """End for what a plugin or the machine lacks; return for a fault of ours."""
    from kce.registry.asking import describe_error, plugin_behind

    if fault := fault_of(error):  # too little memory, too few threads: whoever asked for them
        fail(fault.message, fault.hint, answer)
    if plugin := plugin_behind(error):
        fail(f"plugin {plugin} fails with {describe_error(error)}", "`kce check` checks it; tell its author", answer)


def _end_interrupted(hint: str, answer: Answer) -> NoReturn:
    say(f"interrupted; {hint}")
    with contextlib.suppress(OSError):
        answer.finish("interrupted", hint)
        flush_or_drop(sys.stdout)
    # Not sys.exit: where the interrupt came through C code that runs Python (an import of torch), the interpreter
    # remembers it and ends by the signal, whatever status it is given.
    os._exit(130)


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
