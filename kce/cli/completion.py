"""Completion in shells. Typer has it all; it is loaded only where it is wanted, since it costs start-up."""

from __future__ import annotations

import typer

from kce.cli.console import print_line
from kce.cli.endings import ending_well
from kce.errors import KCEError

VARIABLE = "_KCE_COMPLETE"
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def prepare_completion() -> None:
    """Have typer answer the shell, which asks by an environment variable."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def install_completion(wanted: bool) -> None:
    """What ``kce --install-completion`` does: it writes to the start-up file of the shell it is called from."""
    if wanted:
        ending_well(_install)()
        raise typer.Exit


def show_completion(wanted: bool) -> None:
    """What ``kce --show-completion`` does: it prints the script, to be installed by hand."""
    if wanted:
        ending_well(_show)()
        raise typer.Exit


def _install() -> None:
    from typer.completion import install  # type: ignore[attr-defined]

    shell, path = install(shell=_shell(), prog_name="kce", complete_var=VARIABLE)
    print_line(f"completion for {shell} is in {path}; it works in shells that are opened from now on")


def _show() -> None:
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    print_line(get_completion_script(prog_name="kce", complete_var=VARIABLE, shell=_shell()))


def _shell() -> str:
    """The shell that called the command."""
    import shellingham

    try:
        name = str(shellingham.detect_shell()[0])
    except shellingham.ShellDetectionFailure:
        name = ""
    if name not in SHELLS:
        raise KCEError(
            f"there is no completion for the shell {name!r}" if name else "the shell is not known",
            f"call the command in one of {', '.join(SHELLS)}",
        )
    return name
