"""Logits: what a trained classifier makes of faces, from their stored features and its last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.features.streams import ChangedRows
from kce.training.weights import TRAIN_AGAIN, read_head_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from kce.types import Features, FeatureStream


def read_head(path: Path, softmax_of: Mapping[str, str]) -> NDArray[np.float32]:
    """Read the last layer of a classifier, less what its softmax does not see.

    A softmax does not change if all its logits change by one number. So the mean over its classes is taken off: what is
    left says how much each class is favoured over the others of its softmax.

    Args:
        path: A weights file of KCE.
        softmax_of: Class -> the softmax that it takes part in; classes that are not named share one.

    Returns:
        (classes, dim).

    Raises:
        BadData: If it is no such file, or its last layer does not fit its classes.
    """
    classes, weight = read_head_weights(path)
    if weight.ndim != 2 or len(weight) != len(classes) or not np.isfinite(weight).all():
        raise BadData(f"{path} does not hold a last layer of {len(classes)} classes", TRAIN_AGAIN)
    weight = weight.astype(np.float64)
    softmax = np.array([softmax_of.get(name, "") for name in classes])
    for one in np.unique(softmax):
        weight[softmax == one] -= weight[softmax == one].mean(axis=0)
    return weight.astype(np.float32)


def logit_rows(rows: FeatureStream, head: NDArray[np.float32]) -> ChangedRows:
    """Return the logits of rows, computed whenever they are read, with those of their reals and views.

    The bias is left out: it moves all rows alike.

    Args:
        rows: Features of the network whose last layer it is.
        head: (classes, dim), see ``read_head``.

    Example:
        >>> import numpy as np
        >>> from kce import Features
        >>> rows = Features.from_arrays([[1.0, 2.0]], ["One_Swap"])
        >>> next(logit_rows(rows, np.array([[3.0, 0.0], [0.0, 1.0], [-3.0, -1.0]])).batches()).x.tolist()
        [[3.0, 2.0, -5.0]]
    """

    def change(batch: Features) -> NDArray[np.float32]:
        return np.asarray(batch.x @ head.T, np.float32)

    views = {name: logit_rows(view, head) for name, view in rows.views.items()}
    return ChangedRows(rows, change, None if rows.reals is None else logit_rows(rows.reals, head), views)
