"""What labels, keys and groups say about rows: dataset and method, and which rows belong to one recording."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from sys import getsizeof
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kce.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

REAL = "real"
"""The method of the reals of a dataset: their label is ``<dataset>_real``."""


_FRAME = re.compile(r"#\d+$")


class LabelParts(NamedTuple):
    """The two parts of a category.

    Attributes:
        dataset: "CelebDFv2" of ``CelebDFv2_FaceSwapPRO``.
        method: "FaceSwapPRO".
    """

    dataset: str
    method: str

    @property
    def real(self) -> bool:
        """Whether these are the reals of the dataset."""
        return self.method == REAL


class Meaning(NamedTuple):
    """What a category stands for.

    Attributes:
        dataset: The dataset.
        method: The forgery method; of reals, "real".
        real: Whether it contains reals.
    """

    dataset: str
    method: str
    real: bool

    @classmethod
    def of(cls, dataset: str, method: str, real: bool) -> Meaning:
        """The meaning of a sample's category; the reals of a dataset are one category, whatever their method."""
        return cls(dataset, REAL if real else method, real)

    @property
    def category(self) -> str:
        """Its name: ``<dataset>_<method>``."""
        return f"{self.dataset}_{self.method}"


CLASH_HINT = "give one of the two datasets, or one of the two methods, another name"


def clashes(meanings: Iterable[Meaning]) -> dict[str, str]:
    """Return the categories whose name stands for two different things, each with what it stands for.

    Forgeries whose method is called "real" are among them, since their name is that of their dataset's reals.

    >>> clashes([Meaning("A", "b_c", False), Meaning("A_b", "c", False)])
    {'A_b_c': "the dataset 'A' with the method 'b_c', and the dataset 'A_b' with the method 'c'"}
    """
    by_name: dict[str, list[Meaning]] = {}
    for meaning in sorted(set(meanings)):
        by_name.setdefault(meaning.category, []).append(meaning)
    return {
        name: ", and ".join(map(_described, found))
        for name, found in by_name.items()
        if len(found) > 1 or (found[0].method == REAL and not found[0].real)
    }


def _described(meaning: Meaning) -> str:
    if meaning.method == REAL:
        return f"reals of the dataset {meaning.dataset!r}" if meaning.real else "forgeries whose method is called real"
    return f"the dataset {meaning.dataset!r} with the method {meaning.method!r}"


_SMALL = 1 << 24  # bytes of an array whose width does not matter


def text_array(texts: Sequence[str]) -> NDArray[np.str_]:
    """Make an array of texts (n,), such as the keys, labels or groups of ``kce.Features``.

    A numpy array of texts is as wide as its longest one, at four bytes a letter: the labels of 540,000 rows would take
    50 MB, and a single one of 4,000 letters would make that 9 GB. Where an array would take more than 16 MiB, it has
    the type object if that takes less, and equal texts are one object in memory; comparing, indexing, ``np.unique``
    and ``np.isin`` work on both, ``np.char`` on arrays of texts alone.

    Example:
        >>> text_array(["a", "bc"]).dtype
        dtype('<U2')
        >>> text_array(["a"] * 100_000 + ["b" * 4000]).nbytes
        800008
    """
    import numpy as np

    width = max(map(len, texts), default=0)
    if 4 * width * len(texts) <= _SMALL:
        return np.array(texts, dtype=np.str_)
    shared: dict[str, str] = {}
    same = [shared.setdefault(text, text) for text in texts]
    if 8 * len(texts) + sum(map(getsizeof, shared)) >= 4 * width * len(texts):
        return np.array(texts, dtype=np.str_)
    array: NDArray[Any] = np.empty(len(texts), dtype=object)
    array[:] = same
    return array


def feature_columns(
    x: ArrayLike, label: ArrayLike, key: ArrayLike | None, group: ArrayLike | None
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_], NDArray[np.float32]]:
    """Return the columns key, label, group and x of ``kce.Features``, checked; see ``Features.from_arrays``.

    A missing group (None, NaN) is unknown; a missing label or key is an error.

    >>> columns = feature_columns([[0.5]], ["One_Swap"], None, [None])
    >>> [column.tolist() for column in columns]
    [['row-0'], ['One_Swap'], [''], [[0.5]]]
    """
    import numpy as np

    try:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
            values = np.array(x, np.float32)
    except (ValueError, TypeError) as error:
        raise BadData(f"x is not a table of numbers: {error}", "give rows of equally many numbers") from error
    if values.ndim != 2 or not values.shape[1]:
        raise BadData(f"x has shape {values.shape}, not (n, dim)", "give one row of numbers for each face")
    count = len(values)
    texts = {
        "key": [f"row-{n}" for n in range(count)] if key is None else _texts("key", key),
        "label": _texts("label", label),
        "group": [""] * count if group is None else _texts("group", group, missing=""),
    }
    for name, column in texts.items():
        if len(column) != count:
            raise BadData(f"{len(column)} values of {name} for {count} rows of x", "give one for each row")
    if len(set(texts["key"])) < count:
        twice = next(one for one, times in Counter(texts["key"]).items() if times > 1)
        raise BadData(f"the key {twice} occurs twice", "every row needs its own key")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        bad = texts["key"][int(np.argmin(finite))]
        raise BadData(f"the features of {bad} are not finite (NaN or infinite)", "leave that row out")
    return text_array(texts["key"]), text_array(texts["label"]), text_array(texts["group"]), values


def _texts(name: str, values: ArrayLike, missing: str | None = None) -> list[str]:
    """A column of texts; whole numbers are written out, and what is missing becomes `missing`."""
    column: list[Any] = list(values.tolist() if hasattr(values, "tolist") else values)  # type: ignore[arg-type]
    texts = []
    for row, value in enumerate(column):
        absent = value is None or value != value  # noqa: PLR0124 - NaN alone is not itself
        if absent and missing is not None:
            texts.append(missing)
        elif isinstance(value, str | int) and not isinstance(value, bool) and (value != "" or missing == ""):
            texts.append(str(value))
        else:
            raise BadData(f"row {row}: {value!r} is not a {name}", f"give a text for the {name} of each row")
    return texts


def encode_texts(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Number the different texts in the order in which they first occur.

    ``np.unique`` sorts all of them instead, which takes ten times as long for half a million labels.

    Returns:
        The different texts, and (n,) the place of each text among them.

    Example:
        >>> encode_texts(["b", "a", "b"])
        (['b', 'a'], array([0, 1, 0]))
    """
    import numpy as np

    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(numbers), np.fromiter(map(numbers.__getitem__, texts), np.int64, len(texts))


def concatenate_texts(arrays: Iterable[NDArray[np.str_]]) -> NDArray[np.str_]:
    """Join arrays of texts; one that is wide does not make the others so, as ``text_array`` says."""
    return text_array([text for array in arrays for text in array.tolist()])


class Texts(Protocol):
    """Texts (n,): an array, or a column of the table of a face folder."""

    def __getitem__(self, rows: Any, /) -> Any:
        """The texts of these rows; an array, unless it is a single row."""
        ...

    def tolist(self) -> Any:
        """All texts."""
        ...


class Rows(Protocol):
    """``kce.Features``, or anything else with keys and labels, both (n,) str."""

    @property
    def key(self) -> NDArray[np.str_]:
        """(n,) str."""
        ...

    @property
    def label(self) -> NDArray[np.str_]:
        """(n,) str."""
        ...


def label_parts(rows: Rows) -> dict[str, LabelParts]:
    """Return the dataset and method of each category, sorted by category.

    The key of a face begins with the name of its dataset and "/", which decides where a label with several "_" is
    split. A label whose keys begin otherwise is split at its first "_"; without any it is a method of the dataset "".

    Raises:
        BadData: A label is that of two datasets, by its keys.
    """
    import numpy as np

    names, codes = encode_texts(rows.label.tolist())
    keys = rows.key[np.unique(codes, return_index=True)[1]].tolist()
    parts = {label: _split_label(label, key) for label, key in zip(names, keys, strict=True)}
    for number, (label, found) in enumerate(parts.items()):
        if label.count("_") > 1:  # only such a label can be that of two datasets
            _refuse_other_datasets(label, found, rows.key[codes == number].tolist())
    return dict(sorted(parts.items()))


def _refuse_other_datasets(label: str, found: LabelParts, keys: list[str]) -> None:
    own = f"{found.dataset}/"
    for dataset in sorted({key.partition("/")[0] for key in keys if "/" in key and not key.startswith(own)}):
        if label.startswith(f"{dataset}_"):
            meanings = [
                Meaning(*parts, parts.real) for parts in (found, LabelParts(dataset, label[len(dataset) + 1 :]))
            ]
            raise BadData(f"the label {label} is ambiguous: {clashes(meanings)[label]}", CLASH_HINT)


def datasets(rows: Rows) -> NDArray[np.str_]:
    """Return the dataset of each row, (n,) str."""
    own = {label: part.dataset for label, part in label_parts(rows).items()}
    return text_array(list(map(own.__getitem__, rows.label.tolist())))


def video_of(key: str) -> str:
    """The key of the video behind that of a frame; another key as it is.

    >>> video_of("A/1.mp4#5"), video_of("A/000.png")
    ('A/1.mp4', 'A/000.png')
    """
    return _FRAME.sub("", key)


def recordings(group: Texts, key: Texts) -> NDArray[np.str_]:
    """Name what belongs together when rows are resampled or held out: recordings, or files where those are unknown.

    Frames of one video file belong together even if nobody knows what the video derives from; frames that are files of
    their own do not, although they may well be of one recording. So whoever uses this says how many groups are unknown.

    Args:
        group: (n,) the recording behind each row; empty = unknown.
        key: (n,) keys of faces; that of a frame of a video ends in "#" and its number.

    Returns:
        (n,) str, equal for rows that belong together.

    Example:
        >>> import numpy as np
        >>> recordings(np.array(["ffpp:000", "", ""]), np.array(["A/000.png", "A/1.mp4#5", "A/1.mp4#9"])).tolist()
        ['gffpp:000', 'kA/1.mp4', 'kA/1.mp4']
    """
    groups = group.tolist()
    named = {known: f"g{known}" for known in set(groups)}  # the rows of a recording share one text
    names = list(map(named.__getitem__, groups))
    unknown = [row for row, known in enumerate(groups) if not known] if "" in named else []
    for row, own in zip(unknown, key[unknown].tolist() if unknown else (), strict=True):
        names[row] = f"k{video_of(own)}"
    return text_array(names)


def _split_label(label: str, key: str) -> LabelParts:
    dataset = key.partition("/")[0]
    if "/" in key and label.startswith(f"{dataset}_"):
        return LabelParts(dataset, label[len(dataset) + 1 :])
    before, mark, after = label.partition("_")
    return LabelParts(before, after) if mark else LabelParts("", label)
