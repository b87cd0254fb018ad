"""How far categories are apart without what chance adds, and rows that are as far apart as that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def squared_distances(means: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the squared distance of each two rows: (n, n), 0 on the diagonal."""
    from sklearn.metrics import pairwise_distances

    squares = np.asarray(pairwise_distances(np.asarray(means, np.float64), metric="sqeuclidean"))
    np.fill_diagonal(squares, 0.0)
    return squares


def place(squares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Place rows so that their squared distances are the given ones, plus one number that is the same for all pairs.

    Distances less chance may be negative, and need not be those of any points; a number that is added to all pairs
    makes them so. It changes neither which pair is nearer than another, nor the best clusters of K-means (Roth, Laub,
    Kawanabe and Buhmann 2003, "Optimal cluster preserving embedding of nonmetric proximity data").

    Args:
        squares: (n, n), symmetric, with 0 on the diagonal.

    Returns:
        (n, n), the rows in order.

    Example:
        >>> rows = place(np.array([[0.0, 4.0, -1.0], [4.0, 0.0, 4.0], [-1.0, 4.0, 0.0]]))
        >>> round(float(squared_distances(rows)[0, 1] - squared_distances(rows)[0, 2]), 6)
        5.0
    """
    count = len(squares)
    centring = np.eye(count) - 1 / max(count, 1)
    values, axes = np.linalg.eigh(-0.5 * centring @ squares @ centring)
    # The mean of all rows is the origin, so one of the values is 0: to shift the others is to lengthen all distances.
    shifted = np.sqrt(np.maximum(values - min(values[0], 0.0), 0.0)) if count else values
    return np.asarray(centring @ (axes * shifted))
