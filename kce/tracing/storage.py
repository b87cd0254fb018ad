"""Whether faces are stored as those were that p values are from: a test on what storage leaves in pixels.

p values hold for faces that are stored alike. Another codec, scale or camera makes every face unlike all families, or,
worse, like a wrong one. So the pixels of the inputs are compared, as a whole, with those of the calibration faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Statistics = NDArray[np.float64]

_BANDS = 6
_LEAST = 5
"""Recordings of the inputs below which nothing can be said."""
_LEAST_HELD_OUT = 10
"""The same of the held-out recordings of a category."""
SIGNIFICANT = 0.01
"""Inputs with a smaller p value are said to be stored otherwise."""
_EFFECT = 0.7
"""... if they also lie farther out than a held-out recording with at least this probability."""


@dataclass(frozen=True)
class StorageTest:
    """How the inputs as a whole compare with the calibration faces.

    Attributes:
        unlike: Whether they are stored otherwise than every known category: then no answer can be relied on.
        nearest: The known category whose storage most of them are nearest to.
        p: p value of the hypothesis that each recording is stored as one of the known categories is.
        effect: Probability that a recording of the inputs lies farther out than a held-out recording of the category it
            is nearest to; 0.5 or less if they are stored alike.
        recordings: Number of recordings of the inputs.
    """

    unlike: bool
    nearest: str
    p: float
    effect: float
    recordings: int


def storage_statistics(images: NDArray[np.uint8]) -> Statistics:
    """Describe what storage leaves in pixels, and content hardly touches.

    The share of the luminance's spectrum in each of six bands of frequency, how strong and how heavy-tailed its noise
    is at two scales, how strong that of the chrominance is, and how many pixels are black or white. As logarithms.

    Args:
        images: (n, size, size, 3) uint8, RGB.

    Returns:
        (n, 13).
    """
    import cv2

    size = images.shape[1]
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    band = np.minimum((frequency / 0.5 * _BANDS).astype(int), _BANDS - 1)
    band[0, 0] = -1
    rows = np.empty((len(images), _BANDS + 7))
    for number, image in enumerate(images):
        light, blue, red = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32))
        spectrum = np.abs(np.fft.rfft2(light - light.mean())) ** 2
        power = np.bincount(band[band >= 0], spectrum[band >= 0], _BANDS) + 1e-3
        residuals = [light - cv2.GaussianBlur(light, (0, 0), sigma) for sigma in (0.8, 2.0)]
        noise = [float(residual.std()) + 1e-2 for residual in residuals]
        tails = [float(np.abs(residual).mean()) / own + 1e-2 for residual, own in zip(residuals, noise, strict=True)]
        chroma = [float((one - cv2.GaussianBlur(one, (0, 0), 0.8)).std()) + 1e-2 for one in (blue, red)]
        clipped = float(((image == 0) | (image == 255)).mean()) + 1e-3
        rows[number] = np.log([*(power / power.sum()), *noise, *tails, *chroma, clipped])
    return rows


def recording_means(statistics: Statistics, recording: NDArray[np.str_]) -> Statistics:
    """Average over the faces of each recording: (n, k) -> (recordings, k)."""
    _, codes = np.unique(recording, return_inverse=True)
    sums = np.zeros((int(codes.max(initial=-1)) + 1, statistics.shape[1]))
    np.add.at(sums, codes, statistics)
    return np.asarray(sums / np.bincount(codes)[:, None])


def compare_storage(inputs: Statistics, known: Mapping[str, tuple[Statistics, Statistics]]) -> StorageTest | None:
    """Compare the storage of inputs with that of the known categories.

    How far out a recording lies is its Mahalanobis distance from a category's recordings, as a share of those of its
    held-out recordings that lie at least as far out. A recording that is stored like one category is stored like a
    known one, so its largest share counts. Over many recordings that are stored alike, shares are even in [0, 1], or
    larger. Their mean is tested as that of ranks is (Mann and Whitney 1947).

    A forgery that changes the texture of whole faces looks like other storage: the test cannot tell the two apart.

    Args:
        inputs: (recordings, k) statistics of the inputs.
        known: Category -> those of recordings that describe it, and of held-out ones that inputs are compared with.

    Returns:
        The test; None for fewer than 5 recordings, or where no category has enough of them (k + 2 and 10).
    """
    shares, sizes = {}, []
    for category, (described, held_out) in sorted(known.items()):
        if len(described) >= inputs.shape[1] + 2 and len(held_out) >= _LEAST_HELD_OUT:
            own, other = (_distances(described, one) for one in (held_out, inputs))
            shares[category] = (1 + (own[None] >= other[:, None]).sum(axis=1)) / (len(own) + 1)
            sizes.append(len(own))
    if not shares or len(inputs) < _LEAST:
        return None
    every = np.stack(list(shares.values()))
    largest = every.max(axis=0)
    nearest = np.bincount(every.argmax(axis=0), minlength=len(shares)).argmax()
    deviation = np.sqrt((1 / len(inputs) + 1 / min(sizes)) / 12)
    p = float(ndtr((largest.mean() - 0.5) / deviation))
    effect = float(1 - largest.mean())
    unlike = p <= SIGNIFICANT and effect >= _EFFECT
    return StorageTest(unlike, list(shares)[int(nearest)], p, effect, len(inputs))


def _distances(described: Statistics, x: Statistics) -> NDArray[np.float64]:
    """Mahalanobis distance of each row from a cloud, whose covariance is shrunk."""
    from sklearn.covariance import ledoit_wolf

    scale = described.std(axis=0) + 1e-6
    centre = described.mean(axis=0)
    covariance = ledoit_wolf((described - centre) / scale)[0]
    deviations = (x - centre) / scale
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", deviations, np.linalg.inv(covariance), deviations)))
