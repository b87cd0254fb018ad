"""The tables of a trace: a line for each face, for each video, and for each face in a group."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kce.pipeline.trace_groups import Grouped, Unexplained
from kce.system.atomic import atomic_replace
from kce.system.os_errors import system_failure
from kce.tracing.conformal import UNKNOWN
from kce.tracing.joining import Joining
from kce.tracing.videos import Videos

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.tracing.fitted import FittedTracer
    from kce.types import Features, FeatureStream, Progress

TRACES, VIDEOS, GROUPS = "traces.csv", "videos.csv", "groups.csv"


class Written(NamedTuple):
    """What the tables say."""

    answers: Counter[str]
    video_answers: Counter[str]
    grouped: Grouped


def write_tables(
    to: Path,
    fitted: FittedTracer,
    rows: FeatureStream,
    warning: str,
    group: Callable[[Unexplained], tuple[list[str], NDArray[np.float32], Grouped]] | None,
    seed: int,
    progress: Progress,
) -> Written:
    """Write a line for each face, each video and each grouped face; faces are read in batches and forgotten.

    The tables replace older ones together, once all are complete: they never belong to different traces.

    Args:
        to: The folder of the trace.
        fitted: Says what each face may be.
        rows: The features of the faces; they are read twice if faces are grouped.
        warning: Stands on every line.
        group: Groups the unexplained faces: their keys, features and groups; None = they are not grouped.
        seed: Random seed of the calibration of what joins a group.
        progress: Called with the faces done and to do.

    Raises:
        MachineFault: The system does not let a table be written.
    """
    counts: Counter[str] = Counter()
    video_counts: Counter[str] = Counter()
    videos, unexplained, done, grouped = Videos(), Unexplained(), 0, Grouped([], [])
    said: list[NDArray[np.int16]] = []  # the answers, two bytes each
    answers = [UNKNOWN, *fitted.families]
    code = {name: number for number, name in enumerate(answers)}
    known = [f"{label}: {key}" for key, label in zip(fitted.known.key, fitted.known.label, strict=True)]
    with ExitStack() as tables:
        write = tables.enter_context(
            _csv(to / TRACES, ["key", *_columns(fitted), *(f"neighbour_{n + 1}" for n in range(5))])
        )
        for traced in fitted.trace(rows):
            lines = _lines(traced.answer, traced.known, traced.p, traced.possible, warning, fitted)
            for row, line in enumerate(lines):
                near = [known[number] for number in traced.neighbours[row].tolist()]
                write([traced.key[row], *line, *near, *[""] * (5 - len(near))])
            counts.update(traced.answer)
            videos.add(traced)
            if group is not None:
                own = [row for row, answer in enumerate(traced.answer) if answer == UNKNOWN]
                unexplained.add(traced.key[own].tolist(), traced.x[own])
                said.append(np.array([code[answer] for answer in traced.answer], np.int16))
            done += len(traced.key)
            progress("tracing faces", done, len(rows))
        write = tables.enter_context(_csv(to / VIDEOS, ["video", "faces", *_columns(fitted)]))
        for answer in videos.answers(fitted):
            (line,) = _lines(
                [answer.answer], np.array([answer.known]), answer.p[None], answer.possible[None], warning, fitted
            )
            write([answer.key, answer.faces, *line])
            video_counts[answer.answer] += 1
        if group is not None:
            progress("grouping faces", 0, None)
            key, x, grouped = group(unexplained)
            batches = (
                (batch, [answers[number] for number in own]) for batch, own in zip(rows.batches(), said, strict=True)
            )
            write = tables.enter_context(_csv(to / GROUPS, ["key", "group", "answer"]))
            joining = Joining(fitted, x, grouped.names, seed)
            joined = _write_groups(write, batches, dict(zip(key, grouped.names, strict=True)), joining)
            grouped = grouped._replace(groups=[replace(one, joined=joined[one.name]) for one in grouped.groups])
            progress("grouping faces", len(rows), len(rows))
    if group is None:
        (to / GROUPS).unlink(missing_ok=True)  # of an earlier trace into this folder
    return Written(counts, video_counts, grouped)


def _write_groups(
    write: Callable[[list[str]], Any],
    batches: Iterable[tuple[Features, list[str]]],
    group_of: Mapping[str, str],
    joining: Joining,
) -> Counter[str]:
    """Write a line for each face that was clustered, and for each that joins a group.

    Args:
        write: Takes key, group and answer.
        batches: All faces, and their answers.
        group_of: Key -> group of the faces that were clustered.
        joining: Says which others join.

    Returns:
        Group -> how many joined it.
    """
    joined: Counter[str] = Counter()
    for batch, answers in batches:
        for key, name, answer in zip(batch.key.tolist(), joining.join(batch.x, answers), answers, strict=True):
            if name:
                joined[name] += 1
                write([key, name, answer])
            elif answer == UNKNOWN and key in group_of:
                write([key, group_of[key], answer])
    return joined


def _columns(fitted: FittedTracer) -> list[str]:
    return ["answer", "possible", "warning", "known", *(f"p {name}" for name in fitted.families)]


def _lines(
    answer: list[str], known: np.ndarray, p: np.ndarray, possible: np.ndarray, warning: str, fitted: FittedTracer
) -> Iterator[list[Any]]:
    for own, any_p, values, left in zip(answer, known.tolist(), p.tolist(), possible.tolist(), strict=True):
        names = [name for name, is_left in zip(fitted.families, left, strict=True) if is_left]
        yield [own, ";".join(names), warning, any_p, *values]


@contextmanager
def _csv(path: Path, head: Sequence[str]) -> Iterator[Any]:
    """Write a table whole or not at all; raises MachineFault if the system does not let it be written."""
    try:
        with atomic_replace(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            yield writer.writerow
    except OSError as error:
        raise system_failure(f"{path} cannot be written", error) from error
