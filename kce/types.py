"""The nouns of the toolkit, and one Protocol for each kind of component.

Nothing heavy is imported here: a plugin that only needs ``Sample`` must not pay for torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from kce.errors import optional_library
from kce.labels import datasets, recordings

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import ArrayLike, NDArray

Image: TypeAlias = "NDArray[np.uint8]"
"""A picture: uint8 (height, width, 3), RGB.

Example:
    >>> import numpy as np
    >>> black: Image = np.zeros((480, 640, 3), np.uint8)
    >>> height, width = black.shape[:2]
"""

BATCH_ROWS = 4096
"""Rows of a batch of features, at most, unless it is said otherwise."""


def batch_bounds(count: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the row after the last one of batches of nearly equal length, at most `rows`.

    Equal, because some of scikit-learn's ``partial_fit`` fail for a last batch of a few rows.

    >>> list(batch_bounds(10, 4))
    [(0, 3), (3, 6), (6, 10)]
    """
    parts = max(-(-count // rows), 1) if count else 0
    for part in range(parts):
        yield part * count // parts, (part + 1) * count // parts


Progress: TypeAlias = Callable[[str, int, "int | None"], None]
"""A function that long work calls with: what is being done, how much of it is done, and the total (None: not known)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A face in a picture, in pixels.

    Attributes:
        left: Column of the left side.
        top: Row of the upper side.
        right: Column of the right side, exclusive.
        bottom: Row of the lower side, exclusive.
        score: The detector's confidence, in [0, 1].

    Example:
        >>> box = Box(left=10, top=20, right=110, bottom=140, score=0.9)
        >>> box.width, box.height, box.area
        (100, 120, 12000)
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Width times height; 0 for a box without area."""
        return max(self.width, 0.0) * max(self.height, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture, video or video frame, as a dataset adapter finds it.

    Attributes:
        key: Unique in its dataset: the path below the dataset's root, with "/" (not the stem, since stems repeat).
        path: The media file.
        dataset: The name of the dataset, as in its categories: "CelebDFv2".
        method: The name of the forgery method, as in its categories: "FaceSwapPRO"; "real" for a real.
        real: Whether it is a real.
        group: The real recording it derives from, with a namespace ("ffpp:000"); empty if unknown.
        identities: Everyone in it, with a namespace, the altered person first: ("ffpp:000", "ffpp:003").
        split: The official split; empty if there is none.
        frame: The frame number if the file is one frame of a video, else None.

    Example:
        >>> from pathlib import Path
        >>> sample = Sample("fake/0001.png", Path("data/fake/0001.png"), "MyLab", "FaceSwap", group="mylab:0001")
        >>> sample.category
        'MyLab_FaceSwap'
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
        """Dataset and method: ``<dataset>_<method>``, or ``<dataset>_real`` for a real."""
        return f"{self.dataset}_{'real' if self.real else self.method}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something an adapter noticed that is not a sample; a scan counts and lists remarks.

    Attributes:
        kind: "unparsed": a media file whose name or place the adapter cannot read. "missing": a file that a list of the
            dataset names and that does not exist, or an empty folder. "conflict": two sources of the dataset disagree
            (a list and a folder). "extra": a sample that no list of the dataset names; yielded besides the sample.
            "unread": a picture or video that would be a sample if the adapter read its suffix. "ignored": a file of
            the dataset that is not a sample: masks, models, other qualities. "error": what makes the dataset unusable
            as it is, such as a folder that may contain reals or forgeries; a scan fails, and nothing is cut.
        path: The file or folder, below the root.
        reason: What was noticed.
        hint: What to do about it; may be empty.
        category: The category that the file would have; empty if unknown.

    Example:
        >>> Remark("unparsed", "fake/readme.png", "the name is not a number").kind
        'unparsed'
    """

    kind: Literal["unparsed", "missing", "conflict", "extra", "unread", "ignored", "error"]
    path: str
    reason: str = ""
    hint: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class FolderRemark(Remark):
    """A remark on a whole folder, of whose files nothing else is said.

    Attributes:
        files: Number of media files that are lost with the folder; None = they cannot be counted.

    Example:
        >>> FolderRemark("unparsed", "fake", "the folder cannot be read: Permission denied", files=None).files
    """

    files: int | None = 0


class FeatureTexts:
    """The texts of rows of features, and what follows from them; see ``Features``.

    Attributes:
        key: (n,) str, unique.
        label: (n,) str, the category.
        group: (n,) str, the real recording behind the face; empty if unknown.
    """

    key: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.key)

    @property
    def categories(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(set(self.label.tolist()))

    @property
    def dataset(self) -> NDArray[np.str_]:
        """(n,) str, the dataset of each row, from its label and key (``kce.labels``)."""
        return datasets(self)

    @property
    def recording(self) -> NDArray[np.str_]:
        """(n,) str, equal for rows of one recording; where it is unknown, for rows of one file."""
        return recordings(self.group, self.key)


@dataclass(frozen=True, eq=False)
class Features(FeatureTexts):
    """A table with one row per face.

    Attributes:
        key: (n,) str, unique.
        label: (n,) str, the category.
        group: (n,) str, the real recording behind the face: the unit of resampling, since the frames of one video are
            not independent. Empty if unknown; see `recording`.
        x: (n, dim) float32.
        reals: Only for an aligner that asks for them (see ``Aligner``): the reals of the datasets of these rows,
            labelled ``<dataset>_real``.
        views: Only for an aligner that asks for them: name of a view -> the same faces or some of them, with the same
            keys, as they look in that view.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((3, 4), np.float32)
        >>> features = Features(np.array(["a", "b", "c"]), np.array(["One_Swap", "One_real", "One_Swap"]),
        ...                     np.array(["1", "1", "2"]), x)
        >>> features.categories
        ['One_Swap', 'One_real']
        >>> features.take(features.label == "One_Swap").key.tolist()
        ['a', 'c']
        >>> [len(batch) for batch in features.batches(2)]
        [1, 2]
        >>> Features.from_arrays([[0.0, 1.0], [2.0, 3.0]], ["One_Swap", "One_real"]).key.tolist()
        ['row-0', 'row-1']
    """

    key: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]
    x: NDArray[np.float32]
    reals: Features | None = None
    views: Mapping[str, Features] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls, x: ArrayLike, label: ArrayLike, key: ArrayLike | None = None, group: ArrayLike | None = None
    ) -> Features:
        """Make features of arrays, lists or columns of a DataFrame.

        Args:
            x: (n, dim) numbers.
            label: (n,) the category of each row, ``<dataset>_<method>``, or ``<dataset>_real`` for reals.
            key: (n,) unique; by default row-0, row-1 ...
            group: (n,) the real recording behind each row; by default unknown, and then every row counts as a recording
                of its own, so that intervals may be too narrow.

        Raises:
            BadData: Lengths differ, x is not a table of finite numbers, or a key occurs twice.
        """
        from kce.labels import feature_columns

        return cls(*feature_columns(x, label, key, group))

    @property
    def dim(self) -> int:
        """Features of a row."""
        return int(self.x.shape[1])

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with the columns key, label, group and x0, x1 ...

        Raises:
            KCEError: pandas is not installed.
        """
        pd = optional_library("pandas")
        texts = pd.DataFrame({name: getattr(self, name).tolist() for name in ("key", "label", "group")})
        return pd.concat([texts, pd.DataFrame(self.x, columns=[f"x{n}" for n in range(self.dim)])], axis=1)

    def save(self, address: str | PathLike[str]) -> None:
        """Write the rows as ``FEATURES.h5:/TABLE``; other tables of the file stay. Reals and views are not stored.

        Raises:
            KCEError: As ``kce.save_features``.
        """
        from kce import save_features  # its package needs this module

        save_features(self, address)

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Features]:
        """Yield all rows in order, in batches of about `rows`; see ``FeatureStream``."""
        for start, stop in batch_bounds(len(self), rows):
            yield Features(self.key[start:stop], self.label[start:stop], self.group[start:stop], self.x[start:stop])

    def take(self, rows: NDArray[Any]) -> Features:
        """Return the rows at these indices, or under this mask, in that order; reals and views stay as they are."""
        return Features(self.key[rows], self.label[rows], self.group[rows], self.x[rows], self.reals, self.views)

    def select(
        self, rows: NDArray[Any], key: NDArray[np.str_] | None = None, label: NDArray[np.str_] | None = None
    ) -> Features:
        """Return the rows at these indices, perhaps under other keys and labels, without reals and views."""
        key, label = (self.key[rows] if key is None else key), (self.label[rows] if label is None else label)
        return Features(key, label, self.group[rows], self.x[rows])

    def with_x(self, x: NDArray[np.float32]) -> Features:
        """Return the same rows with other features (n, any dim), without reals and views."""
        return Features(self.key, self.label, self.group, x)


class FeatureStream(Protocol):
    """Rows of features that are read in batches, as often as needed, so that nothing holds all of them.

    Only the texts of all rows are in memory. ``Features`` are such a stream too, of rows that are in memory anyway.

    Example:
        >>> import numpy as np
        >>> def count(rows: FeatureStream) -> int:
        ...     return sum(len(batch.x) for batch in rows.batches())
        >>> texts = np.array(["a", "b"])
        >>> count(Features(texts, texts, texts, np.zeros((2, 4), np.float32)))
        2
    """

    @property
    def key(self) -> NDArray[np.str_]:
        """(n,) str, unique."""
        ...

    @property
    def label(self) -> NDArray[np.str_]:
        """(n,) str, the category."""
        ...

    @property
    def group(self) -> NDArray[np.str_]:
        """(n,) str, the recording; empty if unknown."""
        ...

    @property
    def reals(self) -> FeatureStream | None:
        """The reals of the datasets of these rows, for an aligner that asks for them."""
        ...

    @property
    def views(self) -> Mapping[str, FeatureStream]:
        """Name of a view -> the same faces or some of them in that view, for an aligner that asks for them."""
        ...

    @property
    def dim(self) -> int:
        """Features of a row."""
        ...

    @property
    def categories(self) -> list[str]:
        """The labels that occur, sorted."""
        ...

    @property
    def dataset(self) -> NDArray[np.str_]:
        """(n,) str, the dataset of each row."""
        ...

    @property
    def recording(self) -> NDArray[np.str_]:
        """(n,) str, equal for rows of one recording; where it is unknown, for rows of one file."""
        ...

    def __len__(self) -> int: ...

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Features]:
        """Yield all rows in order, in batches of nearly equal length, at most `rows`, without reals and views."""
        ...

    def take(self, rows: NDArray[Any]) -> Features:
        """Read the rows at these indices, or under this mask, in that order."""
        ...


@dataclass(frozen=True)
class MergePlan:
    """Old category -> new class.

    Attributes:
        classes: The new class of each category.
        votes: Per category, the reason for its class.
        made: How the plan was made.
        asked: Number of classes that was asked for, which need not be the number that was made; None = none was.
        between: The lowest and the highest number of classes that is possible, if `asked` is an estimate; else None.
        doubtful: Pairs of categories that are in one class, though fewer than 90 % of the plans of resampled recordings
            have them so, each with that share.
        edited_from: Hash of the plan that was made, if a person changed its classes since; "unknown" if it is not known
            whether one did; empty = it is as it was made. `made` and `votes` are then those of the plan that was made.

    Example:
        >>> plan = MergePlan({"One_Swap": "swap", "Two_Swap": "swap", "Two_Lips": "lips"})
        >>> plan.names
        ['lips', 'swap']
        >>> plan.members("swap")
        ['One_Swap', 'Two_Swap']
        >>> plan.edited
        False
    """

    classes: Mapping[str, str]
    votes: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    asked: int | None = None
    edited_from: str = ""
    between: tuple[int, int] | None = None
    doubtful: tuple[tuple[str, str, float], ...] = ()

    @property
    def edited(self) -> bool:
        """Whether a person changed which categories belong together, or may have."""
        return bool(self.edited_from)

    @property
    def names(self) -> list[str]:
        """The new classes, sorted."""
        return sorted(set(self.classes.values()))

    def members(self, name: str) -> list[str]:
        """Return the categories of one class, sorted."""
        return sorted(category for category, assigned in self.classes.items() if assigned == name)


@runtime_checkable
class Dataset(Protocol):
    """Reads a dataset as its publishers ship it, as a stream of samples and remarks.

    Its factory takes `root`, the folder of the dataset, and its own keyword parameters, each with a default. A root
    that does not exist, or is a file, raises a KCEError with a hint. Most adapters derive from ``kce.Tree``, which
    does all this.

    Keys are unique, paths below the root with "/"; files exist; groups and identities have a namespace ("ffpp:000").
    Files of file managers and archives (.DS_Store, ._x, Thumbs.db) are not samples, links out of the root are not
    followed, nothing is written into the tree, and every iteration yields the same.

    Attributes:
        name: The name of the dataset, as in the `dataset` of each sample.

    May also have `expected`: {category: published number of samples}, which a scan compares; and `several_faces`, the
    number of samples that were the largest of several faces, as far as they have been read.
    """

    name: str

    def __iter__(self) -> Iterator[Sample | Remark]:
        """Yield every sample, and a remark for what was noticed."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds the faces of a picture."""

    def detect(self, image: Image) -> list[Box]:
        """Return all faces, in any order.

        Args:
            image: uint8 (height, width, 3), RGB; of any size from 1 x 1 and any memory layout. Must not be changed.

        Returns:
            A list of ``Box`` with finite numbers, a positive area that overlaps the picture, and a score in [0, 1]; an
            empty list for no face.
        """
        ...


class Backbone(Protocol):
    """A network that turns faces into features: a ``torch.nn.Module``.

    It does its own normalisation. In evaluation mode the features of a face do not depend on the other faces of the
    batch; in training a loss on a batch of two or more gives every parameter a finite gradient. All its state is in
    `state_dict`. Calls do not change the global random state.

    Attributes:
        size: Height and width of the faces it takes, in pixels.
        dim: Number of features of a face.
    """

    size: int
    dim: int

    def __call__(self, faces: torch.Tensor) -> torch.Tensor:
        """Return finite float features (n, dim) for faces (n, 3, size, size), float in [0, 1], RGB, left unchanged."""
        ...


@runtime_checkable
class Aligner(Protocol):
    """Removes from the features of known categories what belongs to the dataset and not to the forgery.

    Two optional attributes, of the class or the object, name further inputs:

    - `reals = True`: `features.reals` holds reals of every dataset. Faces without reals are then an error before the
      run starts.
    - `views = ("jpeg70", ...)` (``kce.faces.reencode``): `features.views` and `features.reals.views` hold at most 500
      faces of each category in each of these views.

    An aligner that also has the two methods of ``StreamAligner`` is given the rows as a stream.
    """

    def align(self, features: Features) -> NDArray[np.float32]:
        """Return the aligned features.

        Args:
            features: The rows of known categories. Must not be changed.

        Returns:
            A numpy array of its own, float (n, any dim): row n belongs to row n of the input, whose order does not
            matter; finite for finite features. For too few rows, or NaN in the input, a KCEError or ValueError.
        """
        ...


class StreamAligner(Protocol):
    """The two further methods of an ``Aligner`` that need not hold all rows.

    Together they do what ``align`` does, within rounding: ``align(features)`` is ``fit(features)`` and then
    ``transform(features)``.
    """

    def fit(self, rows: FeatureStream) -> object:
        """Learn from the rows, which may be read several times.

        Args:
            rows: The rows of known categories, with the reals and views that the aligner asks for.
        """
        ...

    def transform(self, features: Features) -> NDArray[np.float32]:
        """Return the aligned features of some of the rows, each of which is aligned alone: float (n, any dim)."""
        ...


@runtime_checkable
class Reducer(Protocol):
    """Reduces the number of dimensions, as scikit-learn's transformers do, which fit as they are.

    One that also has `partial_fit` and `transform`, as some of scikit-learn's have, is given the rows in batches, and
    need not hold all of them: each batch once to `partial_fit`, then each once to `transform`, x (n, dim) float32 both
    times. A built-in reducer may have `fit_transform_rows` instead, which is given a ``FeatureStream`` and returns what
    `fit_transform` would, for what needs several passes, or the categories of the rows. All others get an array; if
    it does not fit into memory, that is an error before the work starts.
    """

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reduced features.

        Args:
            x: (n, dim) float32. Must not be changed.

        Returns:
            A numpy array of its own, float (n, 1 to dim): row n belongs to row n of the input; finite for finite x. For
            too few rows, or NaN in x, a KCEError or ValueError.
        """
        ...


@runtime_checkable
class Clusterer(Protocol):
    """Clusters rows, as scikit-learn's clusterers do, which fit as they are.

    If its factory takes `n_clusters`, a run passes the number of classes. It makes at most so many clusters, and raises
    a KCEError or ValueError for more clusters than rows.
    """

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """Return the cluster of each row.

        Args:
            x: (n, dim) float32. Must not be changed.

        Returns:
            A numpy array (n,) of integers from 0, and -1 for noise. Equal rows get the same number; the order of rows
            does not matter. For too few rows, or NaN in x, a KCEError or ValueError.
        """
        ...


class ConstrainedClusterer(Protocol):
    """A clusterer that accepts constraints: one whose `fit_predict` has a keyword parameter named `cannot_link`.

    Where a plan is made from the means of categories, a run passes which categories are of one dataset: whoever made
    the dataset named them apart. Everything else is as for ``Clusterer``, and calls without constraints must work.
    """

    def fit_predict(self, x: NDArray[np.float32], *, cannot_link: NDArray[np.bool_] | None = None) -> NDArray[np.int_]:
        """Return the cluster of each row.

        Args:
            x: (n, dim) float32.
            cannot_link: (n, n) bool, symmetric, False on the diagonal: pairs of rows that should not be in one cluster.
                A preference: fewer clusters than a dataset has categories must join some.

        Returns:
            (n,) integers from 0, and -1 for noise.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Scores a feature table, or a plan. Intervals are made by KCE, which resamples groups and calls it again.

    An optional attribute `intervals = False` says that resampling makes no sense for its scores. The plans of a study
    can be compared by its first score (the key `rank_by`) if its factory has the attribute `greater_is_better`: True,
    or False where the lowest score is the best.

    An optional method `score_resamples(features, resamples, plan=None)` scores all resamples at once, for scores that
    follow from sums over recordings. It is given the rows and ``kce.Resamples``, which say what is in each resample,
    and returns the names that ``score`` returns with a float array (resamples.count,) each: what ``score`` returns for
    the rows of each resample, within rounding.

    An optional method `score_ranges(features)` returns {name: (low, high)} of the scores that have bounds for these
    rows; an infinite end is no bound. Intervals of these scores lie within their ranges, and a score outside of its
    range is an error. A score without a range is treated as one that can be any number, and so is its interval.
    """

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        """Return the scores by name.

        Args:
            features: The rows to score. Must not be changed.
            plan: The merge plan; given in a run.

        Returns:
            At least one {name: finite number}; the same names for any rows. Scores depend on neither the order of rows
            nor the names of labels. For a single label, too few rows or NaN, a KCEError or ValueError.
        """
        ...


@runtime_checkable
class Tracer(Protocol):
    """Scores how unlike each family of forgeries a face is.

    KCE makes p values of the scores (``kce.tracing.conformal``), from faces of recordings that `fit` was not given. So
    scores need no scale, but scores of one family must be comparable with each other.
    """

    def fit(self, features: Features, plan: MergePlan) -> object:
        """Learn the families.

        Args:
            features: Rows of known faces, labelled with their categories. Must not be changed.
            plan: Category -> family of every label, the reals among them. The families are `plan.names`.
        """
        ...

    def score(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        """Score rows, each of which is scored alone.

        Args:
            x: (n, dim) float32. Must not be changed.

        Returns:
            A numpy array of its own, float (n, families): how unlike each family of `plan.names` the row is, the larger
            the more; finite for finite x. For NaN, a KCEError or ValueError.
        """
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs jobs in other processes than the one that submits them: runs of a study, pieces of a cut.

    Attributes:
        slots: How many jobs can run at the same time, at least 1.
    """

    slots: int

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Hand out a job and return at once.

        Args:
            job: A ``kce.Job``, which can be pickled and does its work where it is called.

        Returns:
            A future with what the job returns, or raises. A job whose worker is lost is started again, since jobs
            resume from their folders; if it is lost at every attempt, the future raises.
        """
        ...

    def stop(self) -> None:
        """Interrupt every running job (as Ctrl-C would), wait until all have ended, and release all workers.

        A second call does nothing.
        """
        ...
