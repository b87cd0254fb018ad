"""Feature worlds: synthetic features with known truth, and a parameter for everything that makes them hard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.bench.world_parameters import LATENT_DIM, FeatureWorldParameters
from kce.errors import KCEError
from kce.labels import REAL
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float64]

VIEWS = ("jpeg70", "scale90+jpeg80", "scale80+jpeg60")
"""The views that a world has of its rows, by the names that aligners use."""

_SENSITIVE = 6  # dimensions that storage affects, of those with signal
_FRAMES = 5  # rows of one recording
_GRID = 1024.0  # values are whole multiples of 1/1024, so that rounding errors of a processor leave no trace


@dataclass(frozen=True, eq=False)
class FeatureWorld:
    """Synthetic features with known truth.

    Attributes:
        features: The fakes, x of shape (n, dim), sorted by category.
        reals: The reals of every dataset.
        views: Name of a view -> the rows of `features` followed by those of `reals`, as this kind of storage alters
            them.
        method: Category of fakes -> the method behind it.
    """

    features: Features
    reals: Features
    views: Mapping[str, Features]
    method: Mapping[str, str]

    def content_hash(self) -> str:
        """Hash of all rows, the same for equal worlds (32 hex digits)."""
        total = xxhash.xxh3_128()
        for table in (self.features, self.reals, *self.views.values()):
            for column in (table.key, table.label, table.group):
                total.update("\0".join(column.tolist()).encode())
            total.update(np.ascontiguousarray(table.x, "<f4").tobytes())
        return total.hexdigest()


def make_feature_world(parameters: FeatureWorldParameters, seed: int, views: bool = True) -> FeatureWorld:
    """Make a feature world.

    Equal parameters and seeds give the same bytes on every machine and with every version of the libraries.

    Args:
        parameters: What the world is made from.
        seed: Seed of all its random numbers.
        views: Whether to make the views, too; the other rows do not depend on it.

    Raises:
        KCEError: Where there is no room for all homonyms and synonyms.
    """
    return _Generator(parameters, seed).world(VIEWS if views else ())


@dataclass(frozen=True)
class _Category:
    dataset: str
    name: str
    method: int  # -1: the reals
    rows: int
    scale: float

    @property
    def label(self) -> str:
        return f"{self.dataset}_{self.name}"


class _Generator:
    """Everything a world's rows depend on; each part has random numbers of its own, by its name."""

    def __init__(self, parameters: FeatureWorldParameters, seed: int) -> None:
        self.parameters, self.seed = parameters, seed
        self.categories = _named(parameters, seed, _assigned(parameters, seed))
        # Independent random vectors of this length are `separation` apart on average.
        length = parameters.separation / math.sqrt(2)
        self.centres = _unit(self.normal((parameters.methods, LATENT_DIM), "centres")) * length
        self.basis = np.linalg.qr(self.normal((parameters.dim, LATENT_DIM), "basis"))[0].T
        self.sensitive = np.linalg.qr(self.normal((LATENT_DIM, _SENSITIVE), "sensitive"))[0]

    def normal(self, shape: tuple[int, ...], *what: object) -> Field:
        return normal(shape, self.seed, *what)

    def world(self, views: tuple[str, ...]) -> FeatureWorld:
        fakes = [category for category in self.categories if category.method >= 0]
        reals = [category for category in self.categories if category.method < 0]
        altered = {view: self.table([*fakes, *reals], view) for view in views}
        method = {category.label: f"method-{category.method + 1:02d}" for category in fakes}
        return FeatureWorld(self.table(fakes), self.table(reals), altered, method)

    def table(self, categories: list[_Category], view: str = "") -> Features:
        keys, labels, groups = [], [], []
        x = np.empty((sum(category.rows for category in categories), self.parameters.dim), np.float32)
        done = 0
        for category in categories:
            x[done : done + category.rows] = self.rows(category, view)
            done += category.rows
            for i in range(category.rows):
                recording = f"{category.dataset}:{i // _FRAMES:05d}"
                keys.append(f"{category.dataset}/{category.name}/{i // _FRAMES:05d}_{i % _FRAMES}")
                groups.append(recording)
            labels += [category.label] * category.rows
        return Features(np.array(keys, np.str_), np.array(labels, np.str_), np.array(groups, np.str_), x)

    def rows(self, category: _Category, view: str) -> NDArray[np.float32]:
        parameters, n = self.parameters, category.rows
        recordings = -(-n // _FRAMES)
        common = self.normal((recordings, LATENT_DIM), "recording", category.dataset)
        own = self.normal((n, LATENT_DIM), "own", category.label)
        if parameters.tails:
            own *= self.heavy(n, category)[:, None]
        z = (
            math.sqrt(parameters.recording) * np.repeat(common, _FRAMES, axis=0)[:n]
            + math.sqrt(1 - parameters.recording) * own
        )
        if parameters.bend:
            along, across = np.linalg.qr(self.normal((LATENT_DIM, 2), "bend", category.method))[0].T
            z += parameters.bend * ((z @ along) ** 2 - 1)[:, None] * across
        z *= category.scale
        trace = self.centres[category.method] if category.method >= 0 else np.zeros(LATENT_DIM)
        z += self.stored(trace, category.dataset, view)
        if parameters.outliers and category.method >= 0:
            outliers = uniform((n,), self.seed, "outlier", category.label) < parameters.outliers
            far = _unit(self.normal((n, LATENT_DIM), "far", category.label)) * max(2 * parameters.separation, 6)
            z[outliers] = far[outliers]
        if parameters.shift:
            z += _unit(self.normal((1, LATENT_DIM), "shift", category.dataset)) * parameters.shift
        x = z @ self.basis
        if parameters.dim > LATENT_DIM:
            x += 0.1 * self.normal((n, parameters.dim), "noise", category.label)
        return np.asarray(np.round(x * _GRID) / _GRID, np.float32)

    def stored(self, trace: Field, dataset: str, view: str) -> Field:
        """A method's trace (32,), altered by the storage of the dataset and then by that of the view."""
        stretch = self.parameters.stretch
        for amount, what in ((stretch, dataset), (0.5 * stretch if view else 0.0, view)):
            if amount:
                change = self.normal((LATENT_DIM, _SENSITIVE), "stretch", what) / math.sqrt(_SENSITIVE)
                trace = trace + amount * (trace @ change) @ self.sensitive.T
        return trace

    def heavy(self, n: int, category: _Category) -> Field:
        """Factors (n,) that turn normal rows into Student's t distribution of the same variance."""
        freedom = self.parameters.tails
        squares = (self.normal((n, freedom), "tails", category.label) ** 2).sum(axis=1)
        return np.asarray(np.sqrt((freedom - 2) / squares))


def uniform(shape: tuple[int, ...], *what: object) -> Field:
    """Uniform random numbers from (0, 1) that depend on `what` alone.

    They are made from the raw bits of PCG64, which numpy guarantees; how numpy turns bits into numbers may change.
    """
    seed = xxhash.xxh3_128_intdigest("\0".join(map(str, what)).encode())
    bits = np.random.PCG64(seed).random_raw(math.prod(shape))
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5).reshape(shape) * 2.0**-53


def normal(shape: tuple[int, ...], *what: object) -> Field:
    """Standard normal random numbers that depend on `what` alone."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniform(shape, *what)))


def _unit(x: Field) -> Field:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def _assigned(parameters: FeatureWorldParameters, seed: int) -> list[tuple[int, int]]:
    """(dataset, method) of each category: methods are assigned in a random order, again and again from its start."""
    order = np.argsort(uniform((parameters.methods,), seed, "order of processes"), kind="stable").tolist()
    sizes = [len(part) for part in np.array_split(np.arange(parameters.categories), parameters.datasets)]
    turns = iter(range(parameters.categories))
    return [(d, order[next(turns) % parameters.methods]) for d, size in enumerate(sizes) for _ in range(size)]


def _named(parameters: FeatureWorldParameters, seed: int, assigned: list[tuple[int, int]]) -> list[_Category]:
    names = [f"method-{method + 1:02d}" for _, method in assigned]
    shuffled = np.argsort(uniform((parameters.categories,), seed, "names"), kind="stable").tolist()
    free = [i for i in shuffled if sum(method == assigned[i][1] for _, method in assigned) > 1]
    # The first category of each method keeps the method's name, so that the others can differ from it.
    kept = {method: next(i for i in shuffled if assigned[i][1] == method) for _, method in assigned}
    free = [i for i in free if kept[assigned[i][1]] != i]
    if parameters.synonyms > len(free):
        raise KCEError(
            f"synonyms = {parameters.synonyms}, but only {len(free)} categories can be renamed",
            "use fewer methods or fewer synonyms",
        )
    for number, i in enumerate(free[: parameters.synonyms]):
        names[i] = f"other-{number + 1:02d}"
    _add_homonyms(parameters, shuffled, assigned, names)
    rows = np.geomspace(parameters.rows, parameters.rows / parameters.imbalance, parameters.categories)
    widths = np.geomspace(parameters.spread**0.5, parameters.spread**-0.5, parameters.categories)
    sizes = np.argsort(uniform((parameters.categories,), seed, "sizes"), kind="stable").tolist()
    wide = np.argsort(uniform((parameters.categories,), seed, "widths"), kind="stable").tolist()
    fakes = [
        _Category(f"set{d + 1}", name, method, round(float(rows[size])), float(widths[width]))
        for (d, method), name, size, width in zip(assigned, names, sizes, wide, strict=True)
    ]
    reals = [_Category(f"set{d + 1}", REAL, -1, parameters.rows, 1.0) for d in range(parameters.datasets)]
    return sorted([*fakes, *reals], key=lambda category: category.label)


def _add_homonyms(
    parameters: FeatureWorldParameters, shuffled: list[int], assigned: list[tuple[int, int]], names: list[str]
) -> None:
    """Give categories the name of one with another method and dataset, as far as the name is free in their dataset."""
    touched: set[int] = {i for i, name in enumerate(names) if name.startswith("other-")}
    for done in range(parameters.homonyms):
        pair = next(
            (
                (i, j)
                for i in shuffled
                for j in shuffled
                if not {i, j} & touched
                and assigned[i][0] != assigned[j][0]
                and assigned[i][1] != assigned[j][1]
                and names[i] not in {name for name, (d, _) in zip(names, assigned, strict=True) if d == assigned[j][0]}
            ),
            None,
        )
        if pair is None:
            raise KCEError(
                f"homonyms = {parameters.homonyms}, but only {done} are possible",
                "use more categories or datasets, or fewer homonyms and synonyms",
            )
        names[pair[1]] = names[pair[0]]
        touched |= set(pair)
