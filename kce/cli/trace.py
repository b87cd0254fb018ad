"""The command that traces faces: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import present, print_line, print_problems, print_table, say
from kce.cli.options import AsJson, Threads
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.trace import TraceResult

_SHOWN = 50


def trace(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    inputs: Annotated[
        list[str],
        typer.Argument(help="Pictures, videos and folders; or a face folder, a dataset's name, or FEATURES.h5:/TABLE."),
    ],
    root: Annotated[
        Path | None, typer.Option(help="The folder that a dataset was unpacked to, for a dataset by its name.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder for all that is made; one that is there is continued.", show_default="none is kept"),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per face to this file.")] = None,
    tracer: Annotated[str, typer.Option(help="Scores how unlike each family a face is.")] = defaults.TRACER,
    level: Annotated[
        float, typer.Option(help="How often, in the long run, the family of a new recording is not excluded.")
    ] = 0.95,
    discover: Annotated[
        str, typer.Option(help="A clusterer that groups what no family explains, such as gaussian-mixture.")
    ] = "",
    detector: Annotated[
        str | None,
        typer.Option(help="Finds the faces; whole: pictures are faces already.", show_default="that of the run"),
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Frames per video.", show_default="those of the run")] = None,
    devices: Annotated[int, typer.Option(help="GPUs, or processes where there is none.")] = 1,
    threads: Threads = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which family of a run a face may be of, or that it is of none.

    Each answer has a p value for every family, and the families that cannot be excluded. It is no proof of authorship:
    see `kce docs tracing`.
    """
    from kce.api.trace import trace as call

    present(
        lambda: call(
            run,
            inputs,
            root=root,
            to=to,
            csv=csv,
            tracer=tracer,
            level=level,
            discover=discover,
            detector=detector,
            frames=frames,
            devices=devices,
            threads=threads,
        ),
        _print_trace,
        as_json,
    )


def _print_trace(traced: TraceResult) -> None:
    found = traced.to_dict()
    if found["faces"] <= _SHOWN:
        _print_lines("face", "key", found["traces"])
    if found["video_traces"] and found["videos"] <= _SHOWN:
        _print_lines("video", "video", found["video_traces"])
    print_table(
        ["answer", "faces", "videos"],
        [[name, str(count), str(found["video_answers"].get(name, 0))] for name, count in found["answers"].items()],
    )
    for group in found["groups"]:
        joined = f" and {group['joined']} explained by a family but more like them" if group["joined"] else ""
        print_line(f"{group['name']}: {group['faces']} faces{joined}, such as {', '.join(group['nearest'])}")
    print_problems("problems", found["problems"])
    if found["several_faces"]:
        print_line(f"{found['several_faces']} pictures or frames with several faces: the largest was traced")
    for remark in found["remarks"]:
        say(f"note: {remark}")
    if traced.folder:
        print_line(f"all faces: {traced.folder / 'traces.csv'}; report: {traced.report}")


def _print_lines(title: str, name: str, lines: list[dict[str, object]]) -> None:
    rows = []
    for line in lines:
        p: dict[str, float] = line["p"]  # type: ignore[assignment]
        possible: list[str] = line["possible"]  # type: ignore[assignment]
        answer = str(line["answer"])
        largest = max(p.values())
        rows.append([str(line[name]), answer, f"{p.get(answer, largest):.3f}", ", ".join(possible) or "none"])
    print_table([title, "answer", "p", "not excluded"], rows)
