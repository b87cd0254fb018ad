"""``kce.cut``: a dataset's faces in a face folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import require_numbers, require_texts, several
from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.registry import defaults
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress


class CutResult(Result):
    """What was cut of a dataset, by this call and earlier ones.

    Attributes:
        folder: The face folder.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def faces(self) -> int:
        """Number of faces."""
        return int(self._document["faces"])

    @property
    def by_category(self) -> dict[str, int]:
        """Category -> number of faces."""
        return dict(self._document["by_category"])

    @property
    def problems(self) -> list[str]:
        """Files and frames that gave no face, as "path: reason"."""
        return list(self._document["problems"])

    def _records(self) -> list[dict[str, Any]]:
        return [{"category": name, "faces": count} for name, count in sorted(self.by_category.items())]

    def _summary(self) -> str:
        categories = counted(len(self.by_category), "category", "categories")
        problems = f", {counted(len(self.problems), 'problem')}" if self.problems else ""
        return f"{counted(self.faces, 'face')} of {categories} in {self.folder}{problems}"


class CutLosses(Result):
    """What a dataset holds that is not a sample, where that is why nothing was cut."""

    def _records(self) -> list[dict[str, Any]]:
        kinds = ("errors", "vanished", "unparsed", "missing", "conflicts", "extra", "without_samples")
        return [{"what": kind, "where": line} for kind in kinds for line in self._document[kind]]

    def _summary(self) -> str:
        return counted(len(self._records()), "problem")


def cut(
    dataset: str,
    *,
    root: AnyPath,
    to: AnyPath,
    detector: str = defaults.DETECTOR,
    per_category: int | None = None,
    frames: int = 10,
    seed: int = 0,
    workers: int | None = None,
    engine: str | None = None,
    skip_failing: bool = False,
    pack: bool = False,
    follow_links: AnyPath | Iterable[AnyPath] | None = None,
    accept_losses: bool = False,
    progress: bool | Progress = True,
) -> CutResult:
    """Cut a dataset's faces into a face folder. Called again, it continues where it stopped.

    Args:
        dataset: A dataset's name, as in ``kce list dataset``, perhaps with parameters.
        root: The folder that the dataset was unpacked to.
        to: The face folder; several datasets may go into one.
        detector: Finds the faces; the paper used retinaface.
        per_category: Faces per category, chosen at random; None = all.
        frames: Frames per video, evenly spread over it.
        seed: Seed of the random order in which samples are cut.
        workers: Number of processes; 0 = this one alone; None = one per core and GiB of memory. A script that lets
            processes start needs the usual ``if __name__ == "__main__":``.
        engine: What cuts, as in ``kce list engine``; None = processes of this machine.
        skip_failing: Whether to record files that the system fails to read as unreadable, and go on.
        pack: Whether to pack the faces in a few tar files instead of a png file for each.
        follow_links: Folders that links of the dataset may lead into.
        accept_losses: Whether to go on with what is left where files or categories are lost.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        What was cut. ``to_frame()``: category, faces.

    Raises:
        KCEError: The dataset is not known or cannot be used as it is; the folder holds faces that were cut otherwise; a
            category has no face. What was found or cut is then in its `result`.

    Example:
        >>> import cv2, numpy as np
        >>> from tempfile import mkdtemp
        >>> root = Path(mkdtemp())
        >>> for name in ("real", "swap"):
        ...     (root / "data" / name).mkdir(parents=True)
        ...     _ = cv2.imwrite(str(root / "data" / name / "1.png"), np.zeros((64, 64, 3), np.uint8))
        >>> made = cut("folder:dataset=Own", root=root / "data", to=root / "faces", detector="whole", workers=0,
        ...            progress=False)
        >>> made.faces, made.by_category
        (2, {'Own_real': 1, 'Own_swap': 1})
    """
    from kce.data.catalog import suggest_dataset
    from kce.data.links import following_links
    from kce.data.losses import ScanFailed
    from kce.faces.cut import FacelessCategory
    from kce.faces.cut import cut as cut_faces
    from kce.registry.registry import Registry
    from kce.system.documents import document_to_table

    require_texts(dataset=dataset, detector=detector)
    require_numbers(frames=frames, per_category=per_category, seed=seed, workers=workers)
    registry = Registry.load()
    root, to = Path(root), Path(to)
    with suggest_dataset(registry, dataset, root), following_links(several("follow_links", follow_links) or ()):
        adapter = registry.build("dataset", dataset, root=root)
        try:
            with shown_progress(progress) as show:
                report = cut_faces(
                    adapter,
                    to,
                    detector=detector,
                    frames=frames,
                    per_category=per_category,
                    seed=seed,
                    workers=workers,
                    engine=engine,
                    skip_failing=skip_failing,
                    pack=pack,
                    accept_losses=accept_losses,
                    progress=show,
                )
        except ScanFailed as error:
            error.result = CutLosses(vars(error.report)) if error.report else None
            raise
        except FacelessCategory as error:
            error.result = CutResult(document_to_table(error.report), to)
            raise
    return CutResult(document_to_table(report), to)
