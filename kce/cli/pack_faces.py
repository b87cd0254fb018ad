"""The command that packs a face folder: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kce.cli.console import print_json, print_line, progress_bars
from kce.cli.options import AsJson


def pack(
    folder: Annotated[Path, typer.Argument(help="A face folder that `kce cut` finished; it is only read.")],
    to: Annotated[Path, typer.Option(help="The folder of the packed faces.")],
    as_json: AsJson = False,
) -> None:
    """Pack a face folder into a few tar files.

    The new folder has the same png files and the same faces.csv, and every command reads it like the other. Started
    again, the command continues where it stopped.
    """
    from kce.faces.pack import pack_faces
    from kce.system.documents import document_to_table

    with progress_bars() as progress:
        report = pack_faces(folder, to, progress=progress)
    if as_json:
        return print_json(document_to_table(report))
    print_line(f"{report.faces} faces in {report.shards} files in {to}, {report.size / 2**20:.0f} MiB")
    return None
