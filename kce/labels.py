"""What a row's label says: the dataset it belongs to, and the method."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REAL = "real"
"""The method of a dataset's reals, in their label ``<dataset>_real``."""


class Parts(NamedTuple):
    """A category in two: ``CelebDFv2_FaceSwapPRO`` is FaceSwapPRO of CelebDFv2."""

    dataset: str
    method: str

    @property
    def real(self) -> bool:
        return self.method == REAL


class Rows(Protocol):
    """What is asked about: ``kce.Features``, or anything with keys and labels, both (n,) str."""

    @property
    def key(self) -> NDArray[np.str_]: ...

    @property
    def label(self) -> NDArray[np.str_]: ...


def parts(rows: Rows) -> dict[str, Parts]:
    """Category -> dataset and method, of all categories, by name.

    The keys of faces begin with their dataset's name and "/", which tells where a label with several "_" is to be cut;
    a label whose keys begin otherwise is cut at its first "_", and one without any is a method of the dataset "".
    """
    import numpy as np

    names, first = np.unique(rows.label, return_index=True)
    return {label: _cut(label, key) for label, key in zip(names.tolist(), rows.key[first].tolist(), strict=True)}


def datasets(rows: Rows) -> NDArray[np.str_]:
    """The dataset of each row (n,)."""
    import numpy as np

    names, codes = np.unique(rows.label, return_inverse=True)
    found = parts(rows)
    return np.array([found[name].dataset for name in names.tolist()], dtype=np.str_)[codes]


def _cut(label: str, key: str) -> Parts:
    dataset = key.partition("/")[0]
    if "/" in key and label.startswith(f"{dataset}_"):
        return Parts(dataset, label[len(dataset) + 1 :])
    before, mark, after = label.partition("_")
    return Parts(before, after) if mark else Parts("", label)
