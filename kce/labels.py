"""What a row's label says: the dataset it belongs to, and the method."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Features

REAL = "real"
"""The method of a dataset's reals, in their label ``<dataset>_real``."""


class Parts(NamedTuple):
    """A category in two: ``CelebDFv2_FaceSwapPRO`` is FaceSwapPRO of CelebDFv2."""

    dataset: str
    method: str

    @property
    def real(self) -> bool:
        return self.method == REAL


def parts(features: Features) -> dict[str, Parts]:
    """Category -> dataset and method, of all categories, by name.

    The keys of faces begin with their dataset's name and "/", which tells where a label with several "_" is to be cut;
    a label whose keys begin otherwise is cut at its first "_", and one without any is a method of the dataset "".
    """
    names, first = np.unique(features.label, return_index=True)
    return {label: _cut(label, key) for label, key in zip(names.tolist(), features.key[first].tolist(), strict=True)}


def datasets(features: Features) -> NDArray[np.str_]:
    """The dataset of each row (n,)."""
    names, codes = np.unique(features.label, return_inverse=True)
    found = parts(features)
    return np.array([found[name].dataset for name in names.tolist()], dtype=np.str_)[codes]


def _cut(label: str, key: str) -> Parts:
    dataset = key.partition("/")[0]
    if "/" in key and label.startswith(f"{dataset}_"):
        return Parts(dataset, label[len(dataset) + 1 :])
    before, mark, after = label.partition("_")
    return Parts(before, after) if mark else Parts("", label)
