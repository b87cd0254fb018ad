"""The commands that write files to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kce.cli.app import App
from kce.cli.console import print_line
from kce.errors import KCEError

init = App(name="init", no_args_is_help=True, rich_markup_mode=None)

Faces = Annotated[
    Path | None, typer.Option(help="The face folder; its categories are listed in the file.", show_default="faces")
]


@init.callback()
def main() -> None:
    """Write a commented file to start from: a recipe or a study."""


@init.command()
def run(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("recipe.toml"), faces: Faces = None
) -> None:
    """Write a recipe with every choice of a run, its meaning and its default."""
    from kce.study.starters import starter_recipe

    _write_new(file, starter_recipe(str(faces.absolute()) if faces else "faces", _forged(faces)))


@init.command()
def study(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.toml"), faces: Faces = None
) -> None:
    """Write a study of three plans, with every choice, its meaning and its default."""
    from kce.study.starters import starter_study

    _write_new(file, starter_study(_forged(faces)))


def _forged(folder: Path | None) -> dict[str, int]:
    """Forged categories of a face folder -> faces."""
    if folder is None:
        return {}
    from kce.faces.folder import read_faces

    faces = read_faces(folder)
    return faces.take(~faces.real).category.counts()


def _write_new(file: Path, text: str) -> None:
    from kce.system.atomic import write_atomic

    if file.suffix != ".toml":
        raise KCEError(f"{file} does not end in .toml", f"call it {file.with_suffix('.toml').name}")
    if file.exists():
        raise KCEError(f"{file} is there already", "name another file, or move that one away")
    write_atomic(file, text.encode())
    print_line(f"written: {file}; edit it before it is used")
