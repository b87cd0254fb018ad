"""``kce.scan``: what a dataset on disk holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import optional_path, require_numbers, require_texts, several
from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress


class ScanResult(Result):
    """What a dataset on disk holds, and what is wrong with it; ``kce docs datasets`` explains all keys.

    Attributes:
        hint: What to do about samples whose recording is unknown; empty where there is nothing to do.
    """

    def __init__(self, document: Mapping[str, Any], hint: str = "") -> None:
        super().__init__(document)
        self.hint = hint

    @property
    def samples(self) -> int:
        """Number of distinct samples."""
        return int(self._document["samples"])

    @property
    def by_category(self) -> dict[str, int]:
        """Category -> number of samples."""
        return dict(self._document["by_category"])

    @property
    def by_split(self) -> dict[str, int]:
        """Split -> number of samples; "none" = without a split."""
        return dict(self._document["by_split"])

    @property
    def expected(self) -> dict[str, int] | None:
        """Category -> published number of samples; None = not known."""
        return None if self._document["expected"] is None else dict(self._document["expected"])

    def _records(self) -> list[dict[str, Any]]:
        have, published, reals = self.by_category, self.expected or {}, set(self._document["real_categories"])
        return [
            {
                "category": name,
                "label": ("real" if name in reals else "fake") if name in have else None,
                "samples": have.get(name, 0),
                "published": published.get(name),
            }
            for name in sorted({*have, *published})
        ]

    def _summary(self) -> str:
        categories = counted(len(self.by_category), "category", "categories")
        lost = sum(len(self._document[what] or ()) for what in ("unparsed", "missing", "conflicts", "corrupt"))
        problems = f", {counted(lost, 'problem')}" if lost else ""
        found = f"{counted(self.samples, 'sample')} of {categories}"
        return f"{self._document['dataset']} in {self._document['root']}: {found}{problems}"


def scan(
    dataset: str,
    *,
    root: AnyPath,
    csv: AnyPath | None = None,
    decode: bool = False,
    split: str = "",
    seed: int = 0,
    follow_links: AnyPath | Iterable[AnyPath] | None = None,
    accept_losses: bool = False,
    progress: bool | Progress = True,
) -> ScanResult:
    """Read a dataset to its end, and report what it holds and what is wrong with it.

    Args:
        dataset: A dataset's name, as in ``kce list dataset``, perhaps with parameters: "folder:group=...".
        root: The folder that the dataset was unpacked to.
        csv: A file to write, with one row per sample.
        decode: Whether to decode a frame of every file, to find corrupt ones.
        split: "official", or "disjoint" by identity; also reports who is in several splits.
        seed: Seed of a disjoint split.
        follow_links: Folders that links of the dataset may lead into; other links out of it are losses.
        accept_losses: Whether to go on with what is left where files or categories are lost.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        What was found. ``to_frame()``: category, label, samples, published.

    Raises:
        KCEError: The dataset is not known, or cannot be used as it is. What was found is then in its `result`.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> root = Path(mkdtemp())
        >>> for name in ("real/1.png", "real/2.png", "swap/1.png"):
        ...     (root / name).parent.mkdir(exist_ok=True)
        ...     (root / name).touch()
        >>> found = scan("folder:dataset=Own", root=root, progress=False)
        >>> found.samples, found.by_category
        (3, {'Own_real': 2, 'Own_swap': 1})
    """
    from kce.data import scan as scanning
    from kce.data.catalog import suggest_dataset
    from kce.data.links import following_links
    from kce.data.losses import ScanFailed
    from kce.registry.registry import Registry
    from kce.registry.specs import parse_spec
    from kce.system.documents import document_to_table

    require_texts(dataset=dataset, split=split)
    require_numbers(seed=seed)
    registry = Registry.load()

    def result(report: scanning.ScanReport) -> ScanResult:
        unknown = report.unknown_recordings and registry.takes("dataset", dataset, "group")
        words = f"kce scan '{parse_spec(dataset)[0]}:group=\"<video>_<frame>\"' ..."
        return ScanResult(
            document_to_table(report), f"if file names tell the recording, say how: {words}" if unknown else ""
        )

    root = Path(root)
    with suggest_dataset(registry, dataset, root), following_links(several("follow_links", follow_links) or ()):
        adapter = registry.build("dataset", dataset, root=root)
        try:
            with shown_progress(progress) as show:
                report = scanning.scan(
                    adapter,
                    root,
                    optional_path(csv),
                    show,
                    decode=decode,
                    split=split,
                    seed=seed,
                    accept_losses=accept_losses,
                )
        except ScanFailed as error:
            error.result = result(error.report) if error.report else None
            raise
        return result(report)
