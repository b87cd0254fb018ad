"""The kind of Typer that KCE is: several values after an option, -h, and errors as the contract says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from kce.cli.answers import answering
from kce.cli.endings import Command, ending_well, fail, fail_for_system, finish_output
from kce.cli.options import repeat_options
from kce.system.interrupts import EndingWhenInterrupted
from kce.system.streams import prepare_streams

HELP = ("-h", "--help")


class _Ours:
    """What commands and groups share."""

    def get_help_option(self, context: Any) -> Any:
        """Typer 0.29 lets pydantic, which takes 0.1 s to load, see whether a --help that was not given is a bool."""
        option = super().get_help_option(context)  # type: ignore[misc]
        if option is not None:
            option.default = False
        return option

    def main(
        self,
        args: Any = None,
        prog_name: Any = None,
        complete_var: Any = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Do what the words say, and end; errors in the words are errors like all others."""
        inner: Any = super()
        if any(name.endswith("_COMPLETE") and name.startswith("_") for name in os.environ):
            from kce.cli.completion import prepare_completion

            prepare_completion()
        try:
            status = inner.main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as error:
            if not standalone_mode or not hasattr(
                error, "format_message"
            ):  # of click's own, which typer has under changing names
                raise
            _fail_for_words(error, sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return status
        sys.exit(status if isinstance(status, int) else 0)


def _fail_for_words(error: Any, words: Any) -> None:
    """End because of an unknown option, a missing argument, and so on."""
    if type(error).__name__ == "NoArgsIsHelpError":  # a command without words: its help
        error.show()
        sys.exit(error.exit_code)
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if getattr(error, "ctx", None) else "kce"
    with answering(as_json="--json" in words) as answer:
        fail(f"{message[:1].lower()}{message[1:]}", f"`{path} --help` says what it takes", answer)


class _Command(_Ours, TyperCommand):
    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        options = [parameter for parameter in self.params if isinstance(parameter, TyperOption)]
        several = {name for option in options if option.multiple for name in option.opts}
        flags = {name for option in options if option.is_flag for name in option.opts}
        needed = sum(parameter.required and not isinstance(parameter, TyperOption) for parameter in self.params)
        return super().parse_args(context, list(repeat_options(args, several, {*flags, *HELP}, needed)))


class _Group(_Ours, TyperGroup):
    pass


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


class App(typer.Typer):
    """A Typer whose errors are for people: a message and a hint where they can fix it, a traceback where we must."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(cls=_Group, context_settings={"help_option_names": list(HELP)}, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the command line says."""
        prepare_streams()
        with EndingWhenInterrupted():  # until a command begins
            try:
                return super().__call__(*args, **kwargs)
            except OSError as error:  # of a page of help
                fail_for_system(error)
            finally:
                finish_output()

    def command(self, *args: Any, continues: bool | str = False, **kwargs: Any) -> Callable[[Command], Command]:
        """Register a command that ends as ``ending_well`` says, which also says what `continues` means."""
        register = super().command(*args, **{"cls": _Command, **kwargs})
        return lambda command: register(ending_well(command, continues=continues))
