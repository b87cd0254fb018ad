"""The nouns of the toolkit, and one Protocol for each kind of component.

Nothing heavy is imported here: a plugin that only needs ``Sample`` must not pay for torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from kce.labels import datasets

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"
"""A picture: uint8 (height, width, 3), RGB."""

Progress: TypeAlias = Callable[[str, int, "int | None"], None]
"""Told by long work how it goes: what is being done, how much of it is done, and of how much (None: not known)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A face in a picture, in pixels; right and bottom are exclusive. `score` is the detector's own, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(self.width, 0.0) * max(self.height, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture, video or video frame, as a dataset adapter finds it.

    key         unique in its dataset: the path below the dataset's root with "/" (not the stem: stems repeat)
    path        the media file
    dataset     the dataset's name, as in its categories: "CelebDFv2"
    method      the forgery method's name, as in its categories: "FaceSwapPRO"; "real" for a real
    group       the real recording it derives from, namespaced ("ffpp:000"); empty = unknown
    identities  everyone in it, namespaced, the altered person first ("ffpp:000", "ffpp:003")
    split       the official split; empty = none
    frame       the frame number where the file is one frame of a video, else None
    """

    key: str
    path: Path
    dataset: str
    method: str
    real: bool = False
    group: str = ""
    identities: tuple[str, ...] = ()
    split: str = ""
    frame: int | None = None

    @property
    def category(self) -> str:
        """Dataset + method; a dataset's reals are ``<dataset>_real``."""
        return f"{self.dataset}_{'real' if self.real else self.method}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something an adapter noticed that is not a sample. A scan counts and lists them.

    unparsed  a media file whose name or place the adapter cannot read
    missing   a file that a list of the dataset names and that is not there; a folder with nothing in it
    conflict  two authorities of the dataset that disagree (list against folder)
    extra     a sample that is there though no list of the dataset names it; told beside the sample
    ignored   a file that belongs there and is no sample: masks, models, other qualities
    """

    kind: Literal["unparsed", "missing", "conflict", "extra", "ignored"]
    path: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Features:
    """A table with one row per face.

    key    (n,) str, unique
    label  (n,) str, the category
    group  (n,) str, the real recording behind it: the unit of resampling, since frames of one video are not independent
    x      (n, dim) float32

    For an aligner that asks for them (see ``Aligner``) there are besides

    reals  the reals of the datasets these rows belong to, labelled ``<dataset>_real``
    views  name of a view -> the same faces, or some of them, found by their key, as they look in that view
    """

    key: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]
    x: NDArray[np.float32]
    reals: Features | None = None
    views: Mapping[str, Features] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.key)

    @property
    def categories(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(set(self.label.tolist()))

    @property
    def dataset(self) -> NDArray[np.str_]:
        """(n,) str, the dataset of each row, as its label and key tell (``kce.labels``)."""
        return datasets(self)

    def take(self, rows: NDArray[Any]) -> Features:
        """The rows at these indices (or under this mask), in that order; reals and views stay as they are."""
        return Features(self.key[rows], self.label[rows], self.group[rows], self.x[rows], self.reals, self.views)

    def with_x(self, x: NDArray[np.float32]) -> Features:
        """The same rows with other features (n, any dim), to which neither reals nor views belong."""
        return Features(self.key, self.label, self.group, x)


@dataclass(frozen=True)
class MergePlan:
    """Old category -> new class. `votes` says, per category, why; `made` how the plan came about."""

    classes: Mapping[str, str]
    votes: Mapping[str, str] = field(default_factory=dict)
    made: str = ""

    @property
    def names(self) -> list[str]:
        """The new classes, sorted."""
        return sorted(set(self.classes.values()))

    def members(self, name: str) -> list[str]:
        """The categories of one class, sorted."""
        return sorted(category for category, its in self.classes.items() if its == name)


@runtime_checkable
class Dataset(Protocol):
    """Iterates over its samples, as a stream; built with `root` and its own keyword parameters.

    May have `expected`: published number of samples per category, for the scan to compare with.
    """

    name: str

    def __iter__(self) -> Iterator[Sample | Remark]: ...


@runtime_checkable
class Detector(Protocol):
    """Finds faces: all of them, in any order."""

    def detect(self, image: Image) -> list[Box]: ...


class Backbone(Protocol):
    """A ``torch.nn.Module``: faces (n, 3, size, size) float in [0, 1] -> features (n, dim). Normalises by itself."""

    size: int
    dim: int

    def __call__(self, faces: torch.Tensor) -> torch.Tensor: ...


@runtime_checkable
class Aligner(Protocol):
    """Takes out of the features of known categories what belongs to the dataset and not to the forgery.

    Returns x (n, any dim) for the same rows in the same order. Two attributes, of the class or the object, say what
    else a run has to bring; without them it brings nothing:

    reals  True: `features.reals` holds reals of every dataset. Work whose faces have none is refused before it starts
    views  names such as "jpeg70" (``kce.faces.reencode``): `features.views` holds faces in each of these views, and so
           does
           `features.reals.views`. Views are of 500 faces of a category at most
    """

    def align(self, features: Features) -> NDArray[np.float32]: ...


@runtime_checkable
class Reducer(Protocol):
    """x (n, dim) -> (n, fewer), as scikit-learn's transformers do."""

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...


@runtime_checkable
class Clusterer(Protocol):
    """x (n, dim) -> cluster numbers (n,) int, -1 for noise, as scikit-learn's clusterers do.

    A clusterer whose factory takes `n_clusters` is told how many classes are wanted. One that says `cannot_link = True`
    is given, where a plan is made from the means of categories, a second argument (n, n) bool: rows that must not come
    together if it can be helped, being categories of one dataset, whose makers told them apart. It does without.
    """

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]: ...


@runtime_checkable
class Evaluator(Protocol):
    """Features (and, of a run, the plan) -> named figures. Intervals are made by KCE, by resampling groups."""

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]: ...


@runtime_checkable
class Engine(Protocol):
    """Does the jobs of a study, in other processes than the study's own.

    slots   how many jobs can be at work at a time
    submit  hands out a job (a ``kce.Job``, which does its work where it is called); the future gives what it returns,
            or raises what it raises. A job whose worker is lost is started again: jobs resume from their folders
    stop    asks every job at work to end (as Ctrl-C would), waits until all have, and lets go of all workers
    """

    slots: int

    def submit(self, job: Callable[[], Any]) -> Future[Any]: ...

    def stop(self) -> None: ...
