"""A corpus with known truth: synthetic faces, forged by image operations, in the layouts of real datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import Forgery, KCEError, Recording, WorldDataset, hookimpl

from .table import forgeries

if TYPE_CHECKING:
    from kce import Image, WorldCodec


class World(WorldDataset):
    """Synthetic faces, forged by known methods, in the layouts of real datasets; needs no download.

    The layouts are those of FaceForensics++, DeepFakeDetection, Celeb-DF v2 and ForgeryNet; further datasets are plain
    folders of pictures. The world is made below `root` when it is first read, and then read by the adapters of these
    datasets. ``truth.toml`` beside them gives the method behind each category: some equal names have different methods,
    and some equal methods have different names. Four of the default categories are meant to be held out:
    FaceForensics++_NeuralTextures, ForgeryNet_SC-FEGAN, ForgeryNet_StarGAN2 and ForgeryNet_DiscoFaceGAN.

    Args:
        root: Folder to make the world in, or that contains it; 18 categories of 100 pictures take about 20 MB.
        seed: Seed of all random choices, and of the strength of each forgery.
        identities: Number of people, 4 to 99; they are the same in every dataset, so that only storage distinguishes
            datasets.
        categories: Number of categories of fakes, 4 to 31; the datasets have reals besides. Those beyond 22 are of six
            further datasets (``Further/``); with 31, a world has the names of all categories of Sun et al. 2023.
        images: Pictures per category, at most 64 per identity. Clips have 4 frames, so a category of a video dataset
            has images / 4 videos (rounded up): cut 4 frames of each. FaceForensics++ has reals in pairs, and Celeb-DF
            a fifth more reals, of people of whom there are no fakes.
        artefact: How much the datasets differ in codec, quality and resolution, from 0 (all alike and visually
            lossless) to 1.
        placement: Which methods are behind which names: 0 is the placement of the demo; any other number is the seed of
            a random one.

    Raises:
        KCEError: A parameter is out of range, or the root contains something else, or a world of other parameters.
    """

    name = "world"
    version = 4
    frames = 4  # enough for motion in a video, few enough that there are many people

    def __init__(
        self,
        root: str | Path,
        seed: int = 0,
        identities: int = 24,
        categories: int = 18,
        images: int = 100,
        artefact: float = 0.5,
        placement: int = 0,
    ) -> None:
        parameters = {
            "seed": _within("seed", seed, 0, 2**63 - 1),
            "identities": _within("identities", identities, 4, 99),
            "categories": _within("categories", categories, 4, 31),
            "images": _within("images", images, 1, 64 * identities if identities < 62 else 3968),
            "artefact": _share("artefact", artefact),
            "placement": _within("placement", placement, 0, 2**31 - 1),
        }
        super().__init__(root, forgeries(categories, placement), parameters, seed)
        self._identities, self._artefact, self._images = identities, float(artefact), images

    @property
    def images(self) -> int:
        """See ``kce.WorldDataset``."""
        return self._images

    def recordings(self, dataset: str) -> Sequence[Recording]:
        """See ``kce.WorldDataset``."""
        from .clips import recordings

        return recordings(dataset, self._identities, -(-self._images // self.frames))

    def pictures(
        self, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
    ) -> Iterator[tuple[Forgery | None, list[Image]]]:
        """See ``kce.WorldDataset``."""
        from .clips import pictures

        return pictures(self.seed, self.frames, dataset, recording, forgeries)

    def stored_as(self, dataset: str, copy: str) -> WorldCodec:
        """See ``kce.WorldDataset``."""
        from .codecs import codec

        return codec(dataset, self._artefact, copy)


def _within(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise KCEError(f"{name} = {value!r} is out of range", f"{name} is a whole number from {low} to {high}")
    return value


def _share(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1 or math.isnan(value):
        raise KCEError(f"{name} = {value!r} is out of range", f"{name} is a number from 0 to 1")
    return float(value)


@hookimpl
def kce_datasets() -> dict[str, Callable[..., Any]]:
    """The synthetic corpus."""
    return {"world": World}
