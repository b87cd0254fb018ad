"""The page of a trace: pictures of faces with what is said of each, why, and their nearest known faces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kce.errors import BadData, KCEError
from kce.faces.folder import read_faces
from kce.report.citation import bibliography, provenance_lines
from kce.report.thumbnails import ACROSS, PER_SHEET, SIDE, sprite_sheets
from kce.system.atomic import write_atomic
from kce.system.documents import document_to_table, read_document
from kce.system.lock import folder_lock
from kce.system.text import visible_text
from kce.tracing.conformal import known_level, prediction_sets
from kce.tracing.trace_report import TraceReport
from kce.tracing.trace_tables import read_groups, read_trace_lines

MOST_SHOWN = 120
"""Faces on the page, as many of each answer as there are, those with the smallest largest p first."""
_MOST_VIDEOS = 200


class _Picture(NamedTuple):
    """Where a thumbnail is: its sheet, and the offset of its left upper corner in pixels."""

    sheet: int
    x: int
    y: int


def write_trace_page(folder: Path) -> dict[str, Any]:
    """Write ``trace.html`` from what a trace left in its folder.

    Returns:
        {"report": path of the page, "written": paths of all files}.

    Raises:
        BadData: The folder's ``trace.json`` is not one.
        KCEError: Another process writes in the folder.
    """
    report = document_to_table(read_document(folder / "trace.json", TraceReport))
    with folder_lock(folder, "report"):
        shown, videos = (
            _choose(folder / "traces.csv"),
            list(islice(read_trace_lines(folder / "videos.csv"), _MOST_VIDEOS)),
        )
        groups = read_groups(folder / "groups.csv", [line["key"] for line in shown])
        for line in shown:
            line["group"] = groups.get(line["key"], "")
        path = folder / "trace.html"
        write_atomic(path, _render(report, shown, videos).encode())
    return {"report": str(path), "written": [str(path)]}


def _choose(path: Path) -> list[dict[str, Any]]:
    """Lines of the faces to show: equally many of each answer, the least clear first."""
    kept: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in read_trace_lines(path):
        own = kept[line["answer"]]
        own.append(line)
        if len(own) > 2 * MOST_SHOWN:
            own.sort(key=_largest_p)
            del own[MOST_SHOWN:]
    for own in kept.values():
        own.sort(key=_largest_p)
    chosen: list[dict[str, Any]] = []
    for rank in range(MOST_SHOWN):
        for answer in sorted(kept):
            if rank < len(kept[answer]) and len(chosen) < MOST_SHOWN:
                chosen.append(kept[answer][rank])
    return sorted(chosen, key=lambda line: (line["answer"], _largest_p(line), line["key"]))


def _largest_p(line: Mapping[str, Any]) -> float:
    return max(line["p"].values(), default=0.0)


def _pictures(folder: str, keys: Sequence[str], first_sheet: int) -> tuple[list[str], dict[str, _Picture]]:
    """Sheets of thumbnails, and where each face that could be read is on them."""
    try:
        faces = read_faces(folder) if folder else None
    except (BadData, KCEError):  # moved or deleted since: the page goes without
        faces = None
    if faces is None or not keys:
        return [], {}
    sheets, readable = sprite_sheets(faces, keys)
    return sheets, {
        key: _Picture(
            first_sheet + number // PER_SHEET,
            number % PER_SHEET % ACROSS * SIDE,
            number % PER_SHEET // ACROSS * SIDE,
        )
        for number, key in enumerate(keys)
        if readable[number]
    }


def _render(report: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], videos: Sequence[Mapping[str, Any]]) -> str:
    import jinja2

    near = sorted({value.partition(": ")[2] for line in shown for value in line["neighbours"]})
    central = [key for group in report["groups"] for key in group["nearest"]]
    own_keys = list(dict.fromkeys([*(line["key"] for line in shown), *central]))
    sheets, own = _pictures(report["face_folder"], own_keys, 0)
    known_sheets, known = _pictures(report["known_faces"], near, len(sheets))
    cards = [
        {
            **line,
            "picture": own.get(line["key"]),
            "why": _why(line, report["level"]),
            "p": sorted(line["p"].items(), key=lambda item: -item[1]),
            "near": [
                {"category": category, "key": key, "picture": known.get(key)}
                for category, _, key in (value.partition(": ") for value in line["neighbours"])
            ],
        }
        for line in shown
    ]
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: visible_text(value) if type(value) is str else value,  # not what a macro has escaped
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.from_string((Path(__file__).parent / "trace.html.j2").read_text(encoding="utf-8"))
    provenance = report["provenance"]
    return template.render(
        report=report,
        cards=cards,
        groups=[
            {**group, "nearest": [{"key": key, "picture": own.get(key)} for key in group["nearest"]]}
            for group in report["groups"]
        ],
        videos=[{**line, "why": _why(line, report["level"])} for line in videos],
        sheets=[*sheets, *known_sheets],
        side=SIDE,
        provenance=provenance_lines(provenance) if provenance else [],
        bibliography=bibliography(),
    )


def _why(line: Mapping[str, Any], level: float) -> str:
    """Why the answer is what it is."""
    if line["answer"] == "unknown":
        left = f"; by itself {', '.join(line['possible'])} cannot be excluded" if line["possible"] else ""
        if not prediction_sets(line["known"], known_level(level)):
            return f"less like any family than known faces are: p of all families together {line['known']:.3f}{left}"
        return f"every family that can be is excluded: its p is at most {1 - level:.2g}{left}"
    others = [name for name in line["possible"] if name != line["answer"]]
    also = f"; not excluded either: {', '.join(others)}" if others else "; all others are excluded"
    return f"largest p, {line['p'][line['answer']]:.3f}{also}"
