"""The command that packs a face folder: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import present, print_line
from kce.cli.options import AsJson

if TYPE_CHECKING:
    from kce.api.pack import PackResult


def pack(
    folder: Annotated[Path, typer.Argument(help="A face folder that `kce cut` finished; it is only read.")],
    to: Annotated[Path, typer.Option(help="The folder of the packed faces.")],
    as_json: AsJson = False,
) -> None:
    """Pack a face folder into a few tar files.

    The new folder has the same png files and the same faces.csv, and every command reads it like the other. Started
    again, the command continues where it stopped.
    """
    from kce.api.pack import pack as call

    present(lambda: call(folder, to=to), _print_packed, as_json)


def _print_packed(packed: PackResult) -> None:
    report = packed.to_dict()
    print_line(
        f"{report['faces']} faces in {report['shards']} files in {packed.folder}, {report['size'] / 2**20:.0f} MiB"
    )
