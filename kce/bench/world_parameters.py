"""The parameters of synthetic feature worlds, with their types, ranges and contradictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kce.errors import KCEError, UnknownName

LATENT_DIM = 32
"""Dimensions with signal; the others have a little noise."""


@dataclass(frozen=True)
class FeatureWorldParameters:
    """What a feature world is made from; distances are in standard deviations of a category along one direction.

    Attributes:
        categories: Number of categories of fakes, over all datasets, 2 to 1000. Each dataset has reals besides.
        methods: Number of methods behind the categories, 2 to 1000. No dataset has a method twice, and all methods
            occur about equally often.
        datasets: Number of datasets, 1 to 100; the categories are spread evenly over them.
        rows: Rows of the largest category and of each dataset's reals, in recordings of 5 rows.
        dim: Dimension of the features, from 32. Of these, 32 carry the signal; the others hold a tenth of its noise.
        separation: Mean distance between the centres of two methods.
        imbalance: Rows of the largest category divided by those of the smallest, 1 to 1000.
        spread: Standard deviation of the widest category divided by that of the narrowest, 1 to 100.
        recording: Share of the variance that is common to the rows of one recording, 0 to 0.95. A dataset's categories
            and its reals derive from the same recordings.
        tails: Degrees of freedom of Student's t distribution, 3 to 30, at the same variance; 0 = normal.
        outliers: Share of rows at random positions, about twice as far out as the methods, 0 to 0.5.
        bend: How far each category is bent into a parabola, 0 to 10.
        shift: Distance by which each dataset moves all its rows, 0 to 1000.
        stretch: How strongly each dataset alters the traces of methods in the few directions that storage affects,
            0 to 10.
        homonyms: Number of pairs of categories that have one name and different methods.
        synonyms: Number of categories with another name than the other categories of their method.

    Raises:
        KCEError: For a value of a wrong type or outside its range, and for values that contradict each other.
    """

    categories: int = 16
    methods: int = 8
    datasets: int = 4
    rows: int = 60
    dim: int = 512
    separation: float = 6.0
    imbalance: float = 1.0
    spread: float = 1.0
    recording: float = 0.2
    tails: int = 0
    outliers: float = 0.0
    bend: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    homonyms: int = 0
    synonyms: int = 0

    def __post_init__(self) -> None:
        """Check types, ranges and contradictions."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole and (name in _WHOLE or not isinstance(value, float)):
                kind = "whole number" if name in _WHOLE else "number"
                raise KCEError(f"{name} = {value!r} is not a {kind}", f"{name} goes from {low:g} to {high:g}")
            if not low <= value <= high:
                raise KCEError(f"{name} = {value!r} is out of range", f"{name} goes from {low:g} to {high:g}")
        most = math.ceil(self.categories / self.datasets)
        for wrong, message, hint in (
            (self.tails in (1, 2), f"tails = {self.tails} has no variance", "0 (normal), or 3 to 30"),
            (
                self.datasets > self.categories,
                f"{self.datasets} datasets for {self.categories} categories",
                "each dataset has at least one category",
            ),
            (
                self.methods > self.categories,
                f"{self.methods} methods for {self.categories} categories",
                "each method needs at least one category",
            ),
            (
                self.methods < most,
                f"{self.methods} methods for {most} categories of one dataset",
                "no dataset has a method twice: use more methods or more datasets",
            ),
            (
                self.rows / self.imbalance < 2,
                f"rows = {self.rows} at imbalance = {self.imbalance:g} leaves a category with fewer than 2 rows",
                "use more rows or less imbalance",
            ),
        ):
            if wrong:
                raise KCEError(message, hint)


_WHOLE = ("categories", "methods", "datasets", "rows", "dim", "tails", "homonyms", "synonyms")
RANGES: dict[str, tuple[float, float]] = {
    "categories": (2, 1000), "methods": (2, 1000), "datasets": (1, 100), "rows": (2, 1_000_000),
    "dim": (LATENT_DIM, 65536), "separation": (0, 1000), "imbalance": (1, 1000), "spread": (1, 100),
    "recording": (0, 0.95), "tails": (0, 30), "outliers": (0, 0.5), "bend": (0, 10), "shift": (0, 1000),
    "stretch": (0, 10), "homonyms": (0, 100), "synonyms": (0, 100),
}  # fmt: skip


def feature_world_parameters(document: Mapping[str, Any], source: str) -> FeatureWorldParameters:
    """The parameters of a world that a document lists by name.

    Args:
        document: Parameter -> value; what is not named has its default.
        source: What the parameters belong to, for messages, such as "world plain".

    Raises:
        UnknownName: For a parameter that does not exist.
        KCEError: As ``FeatureWorldParameters`` does.
    """
    known = [item.name for item in fields(FeatureWorldParameters)]
    for name in document:
        if name not in known:
            raise UnknownName.among(f"parameter of {source}", name, known)
    return FeatureWorldParameters(**document)
