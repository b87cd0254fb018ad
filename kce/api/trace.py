"""``kce.trace``: which family an unseen face may be of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import optional_path, require_numbers, several
from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.api.threads import AUTO, limited_threads
from kce.registry import defaults
from kce.system.atomic import atomic_replace
from kce.system.os_errors import system_failure
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress

MOST_LISTED = 1000
"""Faces and videos that the result lists; the csv files have all of them."""


class TraceResult(Result):
    """What may have made some faces.

    Attributes:
        folder: Where everything is kept; None if nothing is.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path | None) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def answers(self) -> dict[str, int]:
        """Family, "real" or "unknown" -> faces."""
        return dict(self._document["answers"])

    @property
    def faces(self) -> int:
        """Faces that were traced."""
        return int(self._document["faces"])

    @property
    def families(self) -> list[str]:
        """The families that a face can be of."""
        return list(self._document["families"])

    @property
    def traces(self) -> list[dict[str, Any]]:
        """A line for each face, the first 1,000: key, answer, possible, known, p (family -> p value) and neighbours.

        With `discover` also `group`, of those that no family explains or that look more like a group; empty for others.
        """
        return [dict(line) for line in self._document["traces"]]

    @property
    def videos(self) -> list[dict[str, Any]]:
        """A line for each video, the first 1,000: video, faces, answer, possible, known and p."""
        return [dict(line) for line in self._document["video_traces"]]

    @property
    def report(self) -> Path | None:
        """The page with pictures; None if nothing is kept."""
        return self.folder / "trace.html" if self.folder else None

    @property
    def remarks(self) -> list[str]:
        """What a reader must know."""
        return list(self._document["remarks"])

    def _records(self) -> list[dict[str, Any]]:
        return [
            {**{key: value for key, value in line.items() if key != "p"}, **{f"p {k}": v for k, v in line["p"].items()}}
            for line in self._document["traces"]
        ]

    def _summary(self) -> str:
        found = ", ".join(f"{name} {count:,}" for name, count in self.answers.items())
        return f"{counted(self.faces, 'face')}: {found}"


def trace(
    run: AnyPath,
    inputs: AnyPath | Iterable[AnyPath],
    *,
    root: AnyPath | None = None,
    to: AnyPath | None = None,
    csv: AnyPath | None = None,
    tracer: str = defaults.TRACER,
    level: float = 0.95,
    discover: str = "",
    detector: str | None = None,
    frames: int | None = None,
    devices: int = 1,
    threads: int | str = AUTO,
    progress: bool | Progress = True,
) -> TraceResult:
    """Say for each face which family of a run's plan it may be of, or that it is of none.

    Faces are cut as the run's own were, and seen by its final network. Each family has a p value: how large a share of
    its faces, from recordings that the network never saw, is at least as unlike it. ``kce docs tracing`` says what that
    means, and what it does not.

    Args:
        run: The folder of a finished run.
        inputs: Pictures, videos and folders of them; or one face folder, one dataset's name, or FEATURES.h5:/TABLE.
        root: The folder that a dataset was unpacked to, for a dataset by its name.
        to: The folder for everything that is made; one that is there already is continued. None = nothing is kept.
        csv: A file to write, with one row per face.
        tracer: Scores how unlike each family a face is.
        level: How often, in the long run, the family of a face of a new recording is not excluded; in (0, 1).
        discover: A clusterer that groups what no family explains, into a number of groups that is estimated where the
            clusterer takes one and has none; empty = it is not grouped.
        detector: Finds the faces; None = as for the run's own. whole: pictures are faces already.
        frames: Frames per video; None = as for the run's own.
        devices: GPUs, or processes where there is none.
        threads: Threads per process; "auto" = one for each core that no other program uses, and with OMP_NUM_THREADS as
            many as that says.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The answers. ``to_frame()``: key, answer, possible, neighbours and a p value for each family, of the first 1,000
        faces.

    Raises:
        KCEError: The run has no final network, an input does not exist, or not one face was found.
        KeyboardInterrupt: What is done is saved first, if `to` is given.

    Example:
        >>> trace("no-such-run", "photo.jpg", progress=False)
        Traceback (most recent call last):
        kce.errors.KCEError: no-such-run is not the folder of a run: it has no recipe.toml
        hint: give a folder made by `kce run`
    """
    from kce.pipeline import trace as tracing
    from kce.pipeline.trace_output import GROUPS, TRACES, VIDEOS
    from kce.registry.registry import Registry
    from kce.system.documents import document_to_table
    from kce.tracing.trace_tables import read_groups, read_trace_lines

    require_numbers(1, frames=frames, devices=devices)
    with ExitStack() as stack:
        part = stack.enter_context(_new_csv(Path(csv))) if csv is not None else None
        folder = optional_path(to) or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(limited_threads(threads))
        show = stack.enter_context(shown_progress(progress))
        report = tracing.trace(
            Path(run),
            several("inputs", inputs) or [],
            folder,
            Registry.load(),
            tracer=tracer,
            level=level,
            discover=discover,
            root=optional_path(root),
            detector=detector,
            frames=frames,
            devices=devices,
            progress=show,
        )
        if to is not None:
            from kce.report.trace_page import write_trace_page  # only now: it loads what draws

            write_trace_page(folder)
        if part is not None:
            shutil.copyfile(folder / TRACES, part)
        document = document_to_table(report)
        document["traces"] = list(islice(read_trace_lines(folder / TRACES), MOST_LISTED))
        group_of = read_groups(folder / GROUPS, [line["key"] for line in document["traces"]])
        for line in document["traces"] if discover else []:
            line["group"] = group_of.get(line["key"], "")
        document["video_traces"] = list(islice(read_trace_lines(folder / VIDEOS), MOST_LISTED))
    return TraceResult(document, optional_path(to))


@contextmanager
def _new_csv(path: Path) -> Iterator[Path]:
    """A temporary file that becomes the table at the end; made first, so that a wrong path costs no work."""
    with ExitStack() as stack:
        try:
            part = stack.enter_context(atomic_replace(path))
        except OSError as error:
            raise system_failure(f"{path} cannot be written", error) from error
        yield part
