"""Feature worlds: tables of drawn features whose truth is known, with a dial for everything that makes them hard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import KCEError, UnknownName
from kce.labels import REAL
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float64]

VIEWS = ("jpeg70", "scale90+jpeg80", "scale80+jpeg60")
"""The views of its rows that a world has, under the names aligners ask for."""

_LATENT = 32  # dimensions that vary; the others hold a little noise
_SENSITIVE = 6  # of them, those that storage alters
_FRAMES = 5  # rows of one recording
_GRID = 1024.0  # values are whole multiples of its inverse: the last bits of a processor's arithmetic leave no trace


@dataclass(frozen=True)
class Dials:
    """What a world is made from. Distances are in standard deviations of a category's rows along one direction.

    categories  of fakes, over all datasets; each dataset has reals besides
    processes   hidden behind the categories: no dataset has one twice, and all occur about equally often
    datasets    they are spread over, evenly
    rows        of the largest category (of every one at imbalance 1), in recordings of 5; and of each dataset's reals
    dim         of the features, from 32; 32 dimensions vary, the others hold a tenth of their noise
    separation  mean distance between the centres of two processes
    imbalance   rows of the largest category over those of the smallest
    spread      standard deviation of the widest category over that of the narrowest
    recording   share of the variance that rows of one recording have in common; a dataset's categories, and its reals,
                are made from the same recordings
    tails       degrees of freedom of Student's t, 3 to 30, at the same variance; 0 = normal
    outliers    share of rows that lie anywhere, about twice as far out as the processes
    bend        how far a category's cloud is bent into a parabola
    shift       how far each dataset moves all its rows
    stretch     how strongly each dataset alters the traces of the processes in the few directions that storage touches
    homonyms    pairs of categories that share a name and are of different processes
    synonyms    categories that bear another name than the others of their process
    """

    categories: int = 16
    processes: int = 8
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
        """Raises KCEError for a dial out of its range, and for dials that contradict each other."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole and (name in _WHOLE or not isinstance(value, float)):
                raise KCEError(f"{name} = {value!r} is no {'whole ' if name in _WHOLE else ''}number", "")
            if not low <= value <= high:
                raise KCEError(f"{name} = {value!r} is out of its range", f"{name} goes from {low:g} to {high:g}")
        most = math.ceil(self.categories / self.datasets)
        for wrong, message, hint in (
            (self.tails in (1, 2), f"tails = {self.tails} has no variance", "0 (normal), or 3 to 30"),
            (
                self.datasets > self.categories,
                f"{self.datasets} datasets for {self.categories} categories",
                "each has one at least",
            ),
            (
                self.processes > self.categories,
                f"{self.processes} processes for {self.categories} categories",
                "each process hides behind one category at least",
            ),
            (
                self.processes < most,
                f"{self.processes} processes for {most} categories of one dataset",
                "no dataset has a process twice: more processes, or more datasets",
            ),
            (
                self.rows / self.imbalance < 2,
                f"rows = {self.rows} at imbalance = {self.imbalance:g} leaves a category with less than 2",
                "more rows, or less imbalance",
            ),
        ):
            if wrong:
                raise KCEError(message, hint)


_WHOLE = ("categories", "processes", "datasets", "rows", "dim", "tails", "homonyms", "synonyms")
_RANGES = {
    "categories": (2, 1000), "processes": (2, 1000), "datasets": (1, 100), "rows": (2, 1_000_000),
    "dim": (_LATENT, 65536), "separation": (0, 1000), "imbalance": (1, 1000), "spread": (1, 100),
    "recording": (0, 0.95), "tails": (0, 30), "outliers": (0, 0.5), "bend": (0, 10), "shift": (0, 1000),
    "stretch": (0, 10), "homonyms": (0, 100), "synonyms": (0, 100),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class World:
    """A drawn world.

    features  the fakes: (n, dim), sorted by category
    reals     of every dataset
    views     the same rows as in `features` and `reals`, one after the other, as they come out after other storage
    process   category -> the process that made it
    """

    features: Features
    reals: Features
    views: Mapping[str, Features]
    process: Mapping[str, str]

    def mark(self) -> str:
        """Hash of all rows: equal worlds, equal marks."""
        total = xxhash.xxh3_128()
        for table in (self.features, self.reals, *self.views.values()):
            for column in (table.key, table.label, table.group):
                total.update("\0".join(column.tolist()).encode())
            total.update(np.ascontiguousarray(table.x, "<f4").tobytes())
        return total.hexdigest()


def dials(document: Mapping[str, Any], where: str) -> Dials:
    """Dials by name. Raises UnknownName for a name that is none, KCEError as ``Dials`` does."""
    known = [item.name for item in fields(Dials)]
    for name in document:
        if name not in known:
            raise UnknownName.among(f"dial of {where}", name, known)
    return Dials(**document)


def draw(told: Dials, seed: int, views: bool = True) -> World:
    """The world of these dials and this seed: the same bytes everywhere, whatever the versions of the libraries.

    views  whether to draw the views too; a world without them has the same rows
    """
    return _Draw(told, seed).world(VIEWS if views else ())


@dataclass(frozen=True)
class _Category:
    dataset: str
    method: str
    process: int  # -1: the reals
    rows: int
    scale: float

    @property
    def label(self) -> str:
        return f"{self.dataset}_{self.method}"


class _Draw:
    """Everything a world's rows depend on; each part has random numbers of its own, by its name."""

    def __init__(self, told: Dials, seed: int) -> None:
        self.told, self.seed = told, seed
        self.categories = _named(told, seed, _assigned(told, seed))
        # Two independent directions at random are this far apart per unit of length.
        length = told.separation / math.sqrt(2)
        self.centres = _unit(self.normal((told.processes, _LATENT), "centres")) * length
        self.basis = np.linalg.qr(self.normal((told.dim, _LATENT), "basis"))[0].T
        sensitive = np.linalg.qr(self.normal((_LATENT, _SENSITIVE), "sensitive"))[0]
        self.sensitive = sensitive

    def normal(self, shape: tuple[int, ...], *what: object) -> Field:
        return normal(shape, self.seed, *what)

    def world(self, views: tuple[str, ...]) -> World:
        fakes = [category for category in self.categories if category.process >= 0]
        reals = [category for category in self.categories if category.process < 0]
        stored = {view: self.table([*fakes, *reals], view) for view in views}
        process = {category.label: f"process-{category.process + 1:02d}" for category in fakes}
        return World(self.table(fakes), self.table(reals), stored, process)

    def table(self, categories: list[_Category], view: str = "") -> Features:
        keys, labels, groups = [], [], []
        x = np.empty((sum(category.rows for category in categories), self.told.dim), np.float32)
        done = 0
        for category in categories:
            x[done : done + category.rows] = self.rows(category, view)
            done += category.rows
            for i in range(category.rows):
                recording = f"{category.dataset}:{i // _FRAMES:05d}"
                keys.append(f"{category.dataset}/{category.method}/{i // _FRAMES:05d}_{i % _FRAMES}")
                groups.append(recording)
            labels += [category.label] * category.rows
        return Features(np.array(keys, np.str_), np.array(labels, np.str_), np.array(groups, np.str_), x)

    def rows(self, category: _Category, view: str) -> NDArray[np.float32]:
        told, n = self.told, category.rows
        recordings = -(-n // _FRAMES)
        common = self.normal((recordings, _LATENT), "recording", category.dataset)
        own = self.normal((n, _LATENT), "own", category.label)
        if told.tails:
            own *= self.heavy(n, category)[:, None]
        z = math.sqrt(told.recording) * np.repeat(common, _FRAMES, axis=0)[:n] + math.sqrt(1 - told.recording) * own
        if told.bend:
            along, across = np.linalg.qr(self.normal((_LATENT, 2), "bend", category.process))[0].T
            z += told.bend * ((z @ along) ** 2 - 1)[:, None] * across
        z *= category.scale
        trace = self.centres[category.process] if category.process >= 0 else np.zeros(_LATENT)
        z += self.stored(trace, category.dataset, view)
        if told.outliers and category.process >= 0:
            lots = uniform((n,), self.seed, "outlier", category.label) < told.outliers
            far = _unit(self.normal((n, _LATENT), "far", category.label)) * max(2 * told.separation, 6)
            z[lots] = far[lots]
        if told.shift:
            z += _unit(self.normal((1, _LATENT), "shift", category.dataset)) * told.shift
        x = z @ self.basis
        if told.dim > _LATENT:
            x += 0.1 * self.normal((n, told.dim), "noise", category.label)
        return np.asarray(np.round(x * _GRID) / _GRID, np.float32)

    def stored(self, trace: Field, dataset: str, view: str) -> Field:
        """A process's trace as the dataset's storage, and that of the view on top of it, leave it."""
        for amount, what in ((self.told.stretch, dataset), (0.5 * self.told.stretch if view else 0.0, view)):
            if amount:
                change = self.normal((_LATENT, _SENSITIVE), "stretch", what) / math.sqrt(_SENSITIVE)
                trace = trace + amount * (trace @ change) @ self.sensitive.T
        return trace

    def heavy(self, n: int, category: _Category) -> Field:
        """What turns normal rows into Student's t of the same variance."""
        freedom = self.told.tails
        squares = (self.normal((n, freedom), "tails", category.label) ** 2).sum(axis=1)
        return np.asarray(np.sqrt((freedom - 2) / squares))


def uniform(shape: tuple[int, ...], *what: object) -> Field:
    """Numbers from (0, 1) that depend on `what` alone.

    Taken from the raw bits of PCG64, which numpy promises to keep; how it turns them into numbers may change.
    """
    seed = xxhash.xxh3_128_intdigest("\0".join(map(str, what)).encode())
    bits = np.random.PCG64(seed).random_raw(math.prod(shape))
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5).reshape(shape) * 2.0**-53


def normal(shape: tuple[int, ...], *what: object) -> Field:
    """Standard normal numbers that depend on `what` alone."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniform(shape, *what)))


def _unit(x: Field) -> Field:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def _assigned(told: Dials, seed: int) -> list[tuple[int, int]]:
    """(dataset, process) of each category: every dataset goes on in the round of processes where the last one ended."""
    order = np.argsort(uniform((told.processes,), seed, "order of processes"), kind="stable").tolist()
    sizes = [len(part) for part in np.array_split(np.arange(told.categories), told.datasets)]
    places = iter(range(told.categories))
    return [(d, order[next(places) % told.processes]) for d, size in enumerate(sizes) for _ in range(size)]


def _named(told: Dials, seed: int, assigned: list[tuple[int, int]]) -> list[_Category]:
    names = [f"method-{process + 1:02d}" for _, process in assigned]
    lots = np.argsort(uniform((told.categories,), seed, "names"), kind="stable").tolist()
    free = [i for i in lots if sum(process == assigned[i][1] for _, process in assigned) > 1]
    # The first category of each process keeps its name, so that the others have one to differ from.
    kept = {process: next(i for i in lots if assigned[i][1] == process) for _, process in assigned}
    free = [i for i in free if kept[assigned[i][1]] != i]
    if told.synonyms > len(free):
        raise KCEError(
            f"synonyms = {told.synonyms}, and {len(free)} categories share their process with another one",
            "fewer processes, or fewer synonyms",
        )
    for number, i in enumerate(free[: told.synonyms]):
        names[i] = f"other-{number + 1:02d}"
    _add_homonyms(told, lots, assigned, names)
    rows = np.geomspace(told.rows, told.rows / told.imbalance, told.categories)
    widths = np.geomspace(told.spread**0.5, told.spread**-0.5, told.categories)
    sizes = np.argsort(uniform((told.categories,), seed, "sizes"), kind="stable").tolist()
    wide = np.argsort(uniform((told.categories,), seed, "widths"), kind="stable").tolist()
    fakes = [
        _Category(f"set{d + 1}", name, process, round(float(rows[size])), float(widths[width]))
        for (d, process), name, size, width in zip(assigned, names, sizes, wide, strict=True)
    ]
    reals = [_Category(f"set{d + 1}", REAL, -1, told.rows, 1.0) for d in range(told.datasets)]
    return sorted([*fakes, *reals], key=lambda category: category.label)


def _add_homonyms(told: Dials, lots: list[int], assigned: list[tuple[int, int]], names: list[str]) -> None:
    """Give categories of other processes and datasets the name of one whose name nobody has in their dataset."""
    touched: set[int] = {i for i, name in enumerate(names) if name.startswith("other-")}
    for done in range(told.homonyms):
        pair = next(
            (
                (i, j)
                for i in lots
                for j in lots
                if not {i, j} & touched
                and assigned[i][0] != assigned[j][0]
                and assigned[i][1] != assigned[j][1]
                and names[i] not in {name for name, (d, _) in zip(names, assigned, strict=True) if d == assigned[j][0]}
            ),
            None,
        )
        if pair is None:
            raise KCEError(
                f"homonyms = {told.homonyms}, and there is room for {done}",
                "more categories or datasets, or fewer homonyms and synonyms",
            )
        names[pair[1]] = names[pair[0]]
        touched |= set(pair)
