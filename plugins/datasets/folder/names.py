"""What the names of folders say, with what the user says about them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kce import NameReading, read_label, read_name


class Unclear(Exception):
    """A folder whose files may be reals or forgeries, or of one method or another; nothing of the dataset is usable."""

    def __init__(self, folder: str, reason: str, hint: str) -> None:
        super().__init__(folder, reason, hint)
        self.folder, self.reason, self.hint = folder, reason, hint


class Reading(NamedTuple):
    """How the files of a folder are read.

    Attributes:
        dataset: Their dataset.
        method: Their method; "real" for reals.
        split: Their split; empty = none.
        group: The folder of their recording, by its path; empty = unknown.
        base: The folder whose name is their category or label, by its path.
        by: What says so: "label", a word for reals or forgeries; "method", the name of a known method; "form", a name
            <dataset>_<method>; "name", any other, which is a method if there are reals beside it; "user", the user.
        general: Whether a word for forgeries stands alone, so that what is beside it need not be a method.
        paired: Whether a folder for reals contains one with the name of a method: the reals that belong to it.
        level: The folders above `base`, where each split is "*".
    """

    dataset: str
    method: str
    split: str
    group: str
    base: tuple[str, ...]
    by: str
    general: bool = False
    paired: bool = False
    level: tuple[str, ...] = ()


class Names:
    """Reads names as the vocabulary does, unless the user has said what they are.

    Args:
        dataset: The dataset that the user names; empty = none.
        default: The dataset of what names none.
        real: Names of reals, joined with ";".
        fake: Names of forgeries, joined with ";".
    """

    def __init__(self, dataset: str, default: str, real: str, fake: str) -> None:
        self.dataset = dataset
        self.default = dataset or default
        self.real = _folded(real)
        self.fake = _folded(fake)
        self.label_truth = lru_cache(maxsize=4096)(self._label_truth)  # a list has a million rows
        self.method_truth = lru_cache(maxsize=4096)(self._method_truth)
        self.truth_of_folders = lru_cache(maxsize=4096)(self._truth_of_folders)

    def read(self, name: str) -> NameReading:
        """What a name says. One that the user calls that of forgeries is the name of a method."""
        folded = name.strip().casefold()
        if folded in self.real:
            return NameReading(truth=True, general=True)
        return NameReading(method=True) if folded in self.fake else read_name(name)

    def truth(self, name: str) -> bool | None:
        """Whether a name is that of reals (True) or of forgeries (False); None if it does not say."""
        return False if name.strip().casefold() in self.fake else self.read(name).truth

    def _label_truth(self, label: str) -> bool | None:
        """Whether a label is that of reals or of forgeries; None if it does not say."""
        truth = self.truth(label)
        return read_label(label) if truth is None else truth

    def _method_truth(self, method: str) -> bool | None:
        """Whether a method says that its samples are reals or forgeries; None if it may be either."""
        return False if self.read(method).method else self.truth(method)

    def _truth_of_folders(self, folders: tuple[str, ...]) -> bool | None:
        """What folders say; None if nothing, or if they disagree: e4e/Celeb-real/inversions."""
        truths = {self.truth(folder) for folder in folders} - {None}
        return truths.pop() if len(truths) == 1 else None

    def contradiction(self, folders: tuple[str, ...]) -> str:
        """Two folders of a path of which one is for reals, and one for forgeries; empty if there are none."""
        reals = [name for name in folders if self.read(name).truth is True]
        fakes = [name for name in folders if self.read(name).truth is False]
        return f"{reals[0]} is a name for reals, {fakes[0]} one for forgeries" if reals and fakes else ""

    def form(self, name: str) -> tuple[str, str] | None:
        """Dataset and method of a name <dataset>_<method>; None for any other, and where the user names the dataset."""
        first, _, rest = name.partition("_")
        return (first, rest) if first and rest and not self.dataset and not self.read(name).method else None

    def dataset_of_reals(self, name: str) -> str:
        """The dataset of <dataset>_real and the like; of other names the default."""
        stem = self.read(name).stem
        if not stem or name[len(stem) : len(stem) + 1] != "_":
            return self.default
        return f"{self.dataset}_{stem}" if self.dataset else stem


def _folded(names: str) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in names.split(";") if name.strip())
