"""Means and scatter of rows that come in batches: what principal components, anchors and whitening are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Coded = tuple[NDArray[np.floating], NDArray[np.intp]]  # x (n, dim), and the code of each row (n,)

_EXACT_DIM = 512
"""Up to so many features products are in double precision, which costs little there."""
_PRODUCT_ROWS = 4096  # of one product in single precision: the sum over products is in double precision
_PROJECTED_ROWS = 1024  # in double precision at a time
_SAFE = (1e-12, 1e12)  # the products of deviations within these bounds neither overflow nor vanish in float32


class Moments:
    """Number, mean and scatter of the rows of each code, summed over batches.

    Rows are taken relative to a pilot, the mean of the first rows of their code, and the sums are in double precision.
    So neither a mean that is large against the spread nor codes that lie far apart cost precision. Products of more
    than 512 features are formed in single precision, at most 4,096 rows at a time: of n rows, an entry of the scatter
    is off by about 1e-7 / sqrt(n) of the variances. It holds 3 x dim x dim numbers, whatever the number of rows.

    Args:
        codes: Number of codes.
        dim: Features of a row.

    Attributes:
        counts: (codes,) rows of each code so far.

    Example:
        >>> import numpy as np
        >>> moments = Moments(2, 1)
        >>> moments.add(np.array([[1.0], [3.0], [10.0]]), np.array([0, 0, 1]))
        >>> moments.means.tolist(), moments.scatter().tolist()
        ([[2.0], [10.0]], [[2.0]])
        >>> moments.scatter(np.array([[0.0], [0.0]])).tolist()
        [[110.0]]
    """

    def __init__(self, codes: int, dim: int) -> None:
        self.counts = np.zeros(codes, np.int64)
        self._pilots = np.zeros((codes, dim), np.float32)
        self._sums = np.zeros((codes, dim))  # of the deviations from the pilots
        self._products = np.zeros((dim, dim))
        self._scale = 0.0
        self._dtype = np.float64 if dim <= _EXACT_DIM else np.float32

    @classmethod
    def of(cls, x: NDArray[np.floating], codes: NDArray[np.intp], count: int) -> Moments:
        """Sum over rows that are in memory; see ``add``."""
        moments = cls(count, x.shape[1])
        for start in range(0, len(x), _PRODUCT_ROWS):
            moments.add(x[start : start + _PRODUCT_ROWS], codes[start : start + _PRODUCT_ROWS])
        return moments

    def add(self, x: NDArray[np.floating], codes: NDArray[np.intp] | None = None) -> None:
        """Add a batch.

        Args:
            x: (n, dim), finite.
            codes: (n,) the code of each row; default: all 0.
        """
        if not len(x):
            return
        present = [0] if codes is None else np.unique(codes).tolist()
        parts = [(code, slice(None) if codes is None else np.flatnonzero(codes == code)) for code in present]
        for code, rows in parts:
            if not self.counts[code]:
                self._pilots[code] = x[rows].mean(axis=0, dtype=np.float64)
        pilots = self._pilots[0] if codes is None else self._pilots[codes]
        deviations = np.subtract(x, pilots, dtype=self._dtype)
        if not self._scale:
            self._scale = _scale_of(deviations)
        if self._scale != 1.0:
            deviations *= self._dtype(1 / self._scale)
        for code, rows in parts:
            own = deviations[rows]
            self._sums[code] += own.sum(axis=0, dtype=np.float64)
            self.counts[code] += len(own)
        for start in range(0, len(deviations), _PRODUCT_ROWS):
            part = deviations[start : start + _PRODUCT_ROWS]
            with np.errstate(over="ignore", invalid="ignore"):  # `scatter` tells of it
                self._products += part.T @ part

    @property
    def means(self) -> NDArray[np.float64]:
        """(codes, dim) the mean of the rows of each code; NaN for a code without rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._pilots + self._offsets()

    def scatter(self, centres: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """Sum the products of deviations, over all rows.

        Args:
            centres: (codes, dim) what the rows of each code are taken relative to; default: their own mean.

        Returns:
            (dim, dim) the sum over rows of (x - centre)' (x - centre). Divided by the number of rows it is the
            covariance within codes, if centres are means.

        Raises:
            BadData: If the deviations are too large for double precision.
        """
        filled = self.counts > 0
        roots = np.sqrt(self.counts[filled])[:, None]
        scale = self._scale or 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self._sums[filled] / roots
            result = self._products - sums.T @ sums
            if centres is not None:
                between = (self.means[filled] - centres[filled]) / scale * roots
                result += between.T @ between
            result *= scale**2
        if not np.isfinite(result).all():
            raise BadData(
                "the features are too large to compute with, or not finite", "check how the features were extracted"
            )
        return result

    def _offsets(self) -> NDArray[np.float64]:
        return self._sums / self.counts[:, None] * (self._scale or 1.0)


def code_means(batches: Iterable[Coded], count: int) -> NDArray[np.float64]:
    """Compute the mean of the rows of each code, in one pass; less work than ``Moments``, which sums products too.

    Args:
        batches: x (n, dim) and the code of each row (n,), batch by batch.
        count: Number of codes.

    Returns:
        (count, dim); NaN for a code without rows. (count, 0) if there is no batch.

    Example:
        >>> import numpy as np
        >>> code_means([(np.array([[1.0], [3.0]]), np.array([0, 0])), (np.array([[4.0]]), np.array([1]))], 2).tolist()
        [[2.0], [4.0]]
    """
    sums, rows = np.zeros((count, 0)), np.zeros(count, np.int64)
    for x, codes in batches:
        if not rows.any():
            sums = np.zeros((count, x.shape[1]))
        for code in np.unique(codes).tolist():
            sums[code] += x[codes == code].sum(axis=0, dtype=np.float64)
        rows += np.bincount(codes, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / rows[:, None])


def shrunk_covariance(
    moments: Moments, batches: Iterable[Coded], axes: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Compute the covariance within codes with the shrinkage of Ledoit and Wolf (2004), in a second pass over the rows.

    It is scikit-learn's ``ledoit_wolf`` of the rows less the mean of their code, which no one has to hold.

    Args:
        moments: Those of the same rows.
        batches: The rows: x (n, dim) and the code of each (n,), batch by batch.
        axes: (dim, k) what the rows are projected on; default: they are not.

    Returns:
        (k, k), or (dim, dim) without axes.

    Example:
        >>> import numpy as np
        >>> x, codes = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1])
        >>> shrunk_covariance(Moments.of(x, codes, 2), [(x, codes)]).round(3).tolist()
        [[0.556, 0.0], [0.0, 0.111]]
    """
    fourth = 0.0  # sum over rows of the squared length to the second
    means = moments.means
    for x, codes in batches:
        for start in range(0, len(x), _PROJECTED_ROWS):
            part = slice(start, start + _PROJECTED_ROWS)
            residuals = x[part] - means[codes[part]]
            if axes is not None:
                residuals = residuals @ axes
            fourth += float(np.square(np.square(residuals).sum(axis=1)).sum())
    count = int(moments.counts.sum())
    covariance = moments.scatter() / count
    if axes is not None:
        covariance = axes.T @ covariance @ axes
    dim = len(covariance)
    variance = float(np.trace(covariance)) / dim
    squares = float(np.square(covariance).sum())
    spread = (squares - dim * variance**2) / dim
    error = min(max((fourth / count - squares) / (dim * count), 0.0), spread)
    shrinkage = error / spread if error > 0 else 0.0
    return np.asarray((1 - shrinkage) * covariance + shrinkage * variance * np.eye(dim))


def principal_axes(scatter: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the axes along which rows vary most.

    Args:
        scatter: (dim, dim) scatter of the rows, as of ``Moments``, or their covariance.
        count: Axes to find, at most dim of them are.

    Returns:
        (axes,) the scatter along each axis, falling; and (axes, dim) the axes, of length 1. The sign is that of
        scikit-learn: the largest entry of an axis is positive.

    Example:
        >>> import numpy as np
        >>> along, axes = principal_axes(np.diag([1.0, 9.0, 4.0]), 2)
        >>> along.tolist(), axes.tolist()
        ([9.0, 4.0], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    from scipy.linalg import eigh

    dim = len(scatter)
    values, vectors = eigh(scatter, subset_by_index=[max(dim - count, 0), dim - 1])
    axes = vectors[:, ::-1].T
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.maximum(values[::-1], 0.0), axes * np.sign(largest)[:, None]


def _scale_of(deviations: NDArray[np.floating]) -> float:
    """A power of two that brings unusually large or small deviations near 1; else 1."""
    largest = float(np.abs(deviations).max())
    if not largest or _SAFE[0] < largest < _SAFE[1]:
        return 1.0
    return float(2.0 ** np.clip(np.round(np.log2(largest)), -126, 126))
