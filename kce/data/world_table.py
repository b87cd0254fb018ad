"""The categories of a world, and which method is behind which name. Imports nothing heavy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kce.labels import REAL
from kce.registry.defaults import AV, CELEB, CELEB1, DEEPER, DFD, FF, FURTHER, LAID_OUT, MNIST, NET, PATCH, TIMIT


class Forgery(NamedTuple):
    """A category of fakes of a world.

    Attributes:
        dataset: Name of its dataset.
        name: What the dataset calls the method, as in the category's name.
        folder: Name of the folder of its files, as the dataset's publishers chose it.
        method: The truth: name of the method that makes its fakes.

    Example:
        >>> Forgery("MyLab", "DeepFakes", "df", "spectral").category
        'MyLab_DeepFakes'
    """

    dataset: str
    name: str
    folder: str
    method: str = ""

    @property
    def category(self) -> str:
        """Name of the category: dataset + name."""
        return f"{self.dataset}_{self.name}"


WITH_REALS = (*LAID_OUT, CELEB1, MNIST, TIMIT, AV, PATCH)

# The first four rows are of four datasets, and the first 18 without those in UNKNOWN are 14 with 11 names.
_CATEGORIES = (
    Forgery(FF, "DeepFakes", "Deepfakes"),
    Forgery(DFD, "FaceSwap", DFD),
    Forgery(CELEB, "FaceSwapPRO", "Celeb-synthesis"),
    Forgery(NET, "DeepFakes", "3"),
    Forgery(FF, "NeuralTextures", "NeuralTextures"),
    Forgery(NET, "SC-FEGAN", "14"),
    Forgery(FF, "FaceSwap", "FaceSwap"),
    Forgery(NET, "MMReplacement", "5"),
    Forgery(FF, "Face2Face", "Face2Face"),
    Forgery(NET, "StarGAN2", "13"),
    Forgery(NET, "StyleGAN2", "11"),
    Forgery(NET, "DiscoFaceGAN", "15"),
    Forgery(FF, "FaceShifter", "FaceShifter"),
    Forgery(NET, "FaceShifter", "1"),
    Forgery(NET, "Talking_Head_Video", "7"),
    Forgery(NET, "BlendFace", "4"),
    Forgery(NET, "FS-GAN", "2"),
    Forgery(NET, "ATVG-Net", "8"),
    Forgery(NET, "MaskGAN", "12"),
    Forgery(NET, "FOMM", "10"),
    Forgery(NET, "DeepFakes-StarGAN-Stack", "6"),
    Forgery(NET, "StarGAN-BlendFace-Stack", "9"),
    Forgery(CELEB1, "FaceSwapPRO", "CelebDFv1_FaceSwapPRO"),
    Forgery(DEEPER, "DF-VAE", "DeeperForensics_DF-VAE"),
    Forgery(MNIST, "FOMM", "DeepFakeMnist+_FOMM"),
    Forgery(TIMIT, "FaceSwap-GAN", "DeepfakeTIMIT_FaceSwap-GAN"),
    Forgery(AV, "FaceSwap", "FakeAVCeleb_FaceSwap"),
    Forgery(AV, "FSGAN", "FakeAVCeleb_FSGAN"),
    Forgery(AV, "Wav2Lip", "FakeAVCeleb_Wav2Lip"),
    Forgery(PATCH, "PROGAN", "Patch-wise_Face_Image_Forensics_PROGAN"),
    Forgery(PATCH, "StyleGAN2", "Patch-wise_Face_Image_Forensics_StyleGAN2"),
)

UNKNOWN = ("FaceForensics++_NeuralTextures", "ForgeryNet_SC-FEGAN", "ForgeryNet_StarGAN2", "ForgeryNet_DiscoFaceGAN")
"""The categories meant to be held out."""


def world_categories(count: int = 31) -> tuple[Forgery, ...]:
    """List the first categories of fakes of a world, without methods; all 31 are those of Sun et al. 2023.

    >>> [forgery.category for forgery in world_categories(2)]
    ['FaceForensics++_DeepFakes', 'DeepFakeDetection_FaceSwap']
    """
    return _CATEGORIES[:count]


def place_methods(categories: int, methods: Sequence[str], placement: int, unseen: Sequence[str] = ()) -> list[Forgery]:
    """Put methods behind the names of the first `categories` categories of fakes, at random.

    Which methods are behind several names, how many are (a fifth to a third of the known categories share a method),
    and where, is random. No dataset gets a method twice unless it has more categories than there are methods. The
    categories that are meant to be held out get methods that no known one has, as far as there are any.

    Args:
        categories: Number of categories, 1 to 31.
        methods: Names of the methods.
        placement: The seed.
        unseen: Further methods that only categories that are held out may have.

    Example:
        >>> placed = place_methods(4, ["warp", "blur", "swap"], placement=1)
        >>> [forgery.category for forgery in placed][:2]
        ['FaceForensics++_DeepFakes', 'DeepFakeDetection_FaceSwap']
        >>> placed == place_methods(4, ["warp", "blur", "swap"], placement=1)
        True
    """
    rows, generator = world_categories(categories), random.Random(placement)
    for _ in range(1000):
        placed = _placed_at_random(rows, methods, unseen, generator)
        pairs = [(row.dataset, method) for row, method in zip(rows, placed, strict=True)]
        if len(set(pairs)) == len(pairs) or most_of_one_dataset(categories) > len(methods):
            break
    return [row._replace(method=method) for row, method in zip(rows, placed, strict=True)]


def _placed_at_random(
    rows: Sequence[Forgery], methods: Sequence[str], unseen: Sequence[str], generator: random.Random
) -> list[str]:
    """A method for each row. Uses Random.random alone, whose numbers are the same in every version of Python."""

    def shuffled(values: Iterable[Any]) -> list[Any]:
        return sorted(values, key=lambda _: generator.random())

    known = [number for number, row in enumerate(rows) if row.category not in UNKNOWN]
    names = shuffled(methods)
    least, most = len(known) // 5, len(known) // 3
    different = min(len(known) - least - int(generator.random() * (most - least + 1)), len(names))
    placed = [""] * len(rows)
    used: set[tuple[str, str]] = set()
    free = shuffled(known)
    for turn in range(len(known)):
        name = names[turn % different]
        row = next((row for row in free if (rows[row].dataset, name) not in used), free[0])
        free.remove(row)
        used.add((rows[row].dataset, name))
        placed[row] = name
    held_out = [number for number in range(len(rows)) if number not in set(known)]
    remaining = [*shuffled(unseen), *names[different:], *shuffled(names[:different])]
    for row in shuffled(held_out):
        placed[row] = next((name for name in remaining if (rows[row].dataset, name) not in used), remaining[0])
        used.add((rows[row].dataset, placed[row]))
        remaining.sort(key=placed[row].__eq__)  # last, so that the next row gets another one
    return placed


def most_of_one_dataset(categories: int) -> int:
    """Return how many of the first `categories` categories of fakes are of one dataset, at most.

    >>> most_of_one_dataset(4), most_of_one_dataset(18)
    (1, 11)
    """
    return max(Counter(row.dataset for row in world_categories(categories)).values())


def world_datasets(categories: int) -> list[str]:
    """List the datasets of a world: always the first four, and each further one of which there is a category.

    >>> world_datasets(18)
    ['FaceForensics++', 'DeepFakeDetection', 'CelebDFv2', 'ForgeryNet']
    """
    named = {forgery.dataset for forgery in world_categories(categories)}
    return [*LAID_OUT, *(dataset for dataset in FURTHER if dataset in named)]


def world_truth(forgeries: Sequence[Forgery]) -> dict[str, str]:
    """Map the categories of a world to methods; the method of reals is "real".

    >>> world_truth(place_methods(1, ["warp"], 1))["FaceForensics++_DeepFakes"]
    'warp'
    """
    datasets = world_datasets(len(forgeries))
    fakes = {forgery.category: forgery.method for forgery in forgeries}
    return fakes | {f"{dataset}_{REAL}": REAL for dataset in datasets if dataset in WITH_REALS}
