"""How many groups some unexplained faces fall into."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_GROUPS = 40
"""Groups that are tried, at most."""
DIMENSIONS = 8
"""Principal components in which faces are grouped: a mixture with covariances of its own has few rows for more."""
_STARTS = 3  # initialisations of a mixture
_PATIENCE = 5  # numbers without improvement after which no larger ones are tried
_REGULARISATION = 1e-3  # of the variance of the components


def principal_components(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Project rows on their first 8 principal components, together of variance 1.

    Args:
        x: (n, dim).

    Returns:
        (n, at most 8).

    Raises:
        BadData: There are too few different rows.
    """
    from sklearn.decomposition import PCA

    if not len(x) or not np.ptp(x, axis=0).any():
        raise BadData("there are too few different faces to group them", "trace more")
    components = PCA(min(DIMENSIONS, *x.shape), random_state=0).fit_transform(np.asarray(x, np.float64))
    return np.asarray(components / components.std(), np.float32)


def count_groups(x: NDArray[np.floating]) -> int:
    """Choose the number of groups: that of the mixture of Gaussians with the lowest BIC (Fraley and Raftery 2002).

    Each group has a covariance of its own: groups of one method are stretched, and each in its own way.

    >>> x = np.random.default_rng(0).normal(0, 1, (90, 2)) + np.repeat([[0, 0], [9, 0], [0, 9]], 30, axis=0)
    >>> count_groups(principal_components(x))
    3

    Args:
        x: (n, dim) as ``principal_components`` returns them, with at least two different rows.

    Returns:
        From 1 to 40.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    found: list[float] = []
    for groups in range(1, min(MOST_GROUPS, len(np.unique(x, axis=0)) - 1) + 1):
        mixture = GaussianMixture(groups, n_init=_STARTS, random_state=0, reg_covar=_REGULARISATION)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last steps change little
            found.append(float(mixture.fit(x).bic(x)))
        if groups - 1 - int(np.argmin(found)) >= _PATIENCE:
            break
    return int(np.argmin(found)) + 1
