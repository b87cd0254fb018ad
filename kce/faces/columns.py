"""Columns of texts that take little memory: a million rows of a face folder's table are tens of megabytes.

A numpy array of texts is as wide as its longest one, at four bytes a letter; Python's strings take 49 bytes more than
their letters. So texts of which few differ are kept as numbers of a list of names, and the others as UTF-8 end to end.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from kce.labels import text_array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_BATCH = 2**12  # rows that are decoded at once where all are needed


class PackedTexts:
    """Texts of which most differ: their UTF-8, end to end, and where each ends."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts at the end."""
        data = "".join(texts).encode()
        lengths = map(len, texts if data.isascii() else map(str.encode, texts))
        self._ends.extend(islice(accumulate(lengths, initial=len(self._data)), 1, None))
        self._data += data

    def at(self, rows: NDArray[Any]) -> list[str]:
        """The texts of these row numbers."""
        ends, data = np.frombuffer(self._ends, np.uint64), self._data
        spans = zip(ends[rows].tolist(), ends[rows + 1].tolist(), strict=True)
        return [data[start:end].decode() for start, end in spans]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self._data) + len(self._ends) * self._ends.itemsize


class CodedTexts:
    """Texts of which few differ: a number for each row, and the names that the numbers mean.

    Attributes:
        names: The texts that occur, in the order of their first rows.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes = array("i")

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts at the end."""
        for text in dict.fromkeys(texts):
            self._numbers.setdefault(text, len(self._numbers))
        self._codes.extend(map(self._numbers.__getitem__, texts))

    @property
    def names(self) -> list[str]:
        """The texts that occur, in the order of their first rows."""
        return list(self._numbers)

    def codes(self, rows: NDArray[Any]) -> NDArray[np.int32]:
        """The places in `names` of the texts of these row numbers."""
        return np.frombuffer(self._codes, np.int32)[rows] if self._codes else np.zeros(len(rows), np.int32)

    def at(self, rows: NDArray[Any]) -> list[str]:
        """The texts of these row numbers; equal ones are one object."""
        names = self.names
        return [names[code] for code in self.codes(rows).tolist()]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self._codes) * self._codes.itemsize + sum(56 + len(name) for name in self._numbers)


class TextColumn:
    """A column of some rows of a table: (n,) str.

    It is used as an array is: ``column[3]`` is a text, ``column[rows]`` an array of the texts at these indices or
    under this mask, ``column == "A"`` a mask, and numpy's functions take it. Only the texts that are asked for are
    made, so ``column[:]`` of a million rows is to be avoided; an array of many texts has the type object, as
    ``kce.labels.text_array`` says.

    Args:
        texts: The texts of all rows of the table.
        rows: (n,) row numbers in the table.
    """

    __hash__ = None  # type: ignore[assignment] # `==` compares row by row, as with an array

    def __init__(self, texts: PackedTexts | CodedTexts, rows: NDArray[np.int32]) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> str: ...
    @overload
    def __getitem__(self, rows: slice | NDArray[Any] | Sequence[int]) -> NDArray[np.str_]: ...
    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self._texts.at(self._rows[[int(rows)]])[0]
        return text_array(self._texts.at(self._rows[rows]))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a column of texts has no array that could be shared")
        texts = self[:]
        return texts if dtype is None else texts.astype(dtype)

    def __eq__(self, other: object) -> Any:
        return self[:] == other

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    def batches(self) -> Iterator[list[str]]:
        """The texts in order, some rows at a time."""
        for start in range(0, len(self), _BATCH):
            yield self._texts.at(self._rows[start : start + _BATCH])

    def tolist(self) -> list[str]:
        """All texts."""
        return self._texts.at(self._rows)


class CodedColumn(TextColumn):
    """A column of which few texts differ; these questions are answered without making any text."""

    _texts: CodedTexts

    def __init__(self, texts: CodedTexts, rows: NDArray[np.int32]) -> None:
        super().__init__(texts, rows)

    @property
    def codes(self) -> NDArray[np.int32]:
        """(n,) numbers, equal for equal texts."""
        return self._texts.codes(self._rows)

    def counts(self) -> dict[str, int]:
        """Text -> its rows, of the texts that occur, sorted."""
        names = self._texts.names
        counts = zip(names, np.bincount(self.codes, minlength=len(names)).tolist(), strict=True)
        return dict(sorted((name, count) for name, count in counts if count))

    def isin(self, texts: Collection[str]) -> NDArray[np.bool_]:
        """(n,) whether a row has one of these texts."""
        wanted = set(texts)
        return np.array([name in wanted for name in self._texts.names], bool)[self.codes]

    def __eq__(self, other: object) -> Any:
        return self.isin((other,)) if isinstance(other, str) else super().__eq__(other)

    __hash__ = None
