"""Which method is behind which category of a world. Imports nothing heavy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple


class Forgery(NamedTuple):
    """A category of fakes.

    Attributes:
        dataset: Name of its dataset.
        name: What the dataset calls the method, as in the category's name.
        folder: Name of the folder of its files, as the dataset's publishers chose it.
        method: The truth: name of the image operation, a key of ``forge.METHODS``.
    """

    dataset: str
    name: str
    folder: str
    method: str

    @property
    def category(self) -> str:
        """Name of the category: dataset + name."""
        return f"{self.dataset}_{self.name}"


FF, DFD, CELEB, NET = DATASETS = ("FaceForensics++", "DeepFakeDetection", "CelebDFv2", "ForgeryNet")

# The six further datasets of Sun et al. 2023. DeepfakeTIMIT ships no reals of its own, but those of VidTIMIT are used
# under its name. DeeperForensics has none: its reals are those of FaceForensics++.
CELEB1, DEEPER, MNIST, TIMIT, AV, PATCH = FURTHER = (
    "CelebDFv1", "DeeperForensics", "DeepFakeMnist+", "DeepfakeTIMIT", "FakeAVCeleb", "Patch-wise_Face_Image_Forensics",
)  # fmt: skip
WITH_REALS = (*DATASETS, CELEB1, MNIST, TIMIT, AV, PATCH)

# The first 18 categories without those in UNKNOWN are 14, with 11 names and 11 methods. Three names (DeepFakes,
# FaceShifter, FaceSwap) occur twice, each time with two methods; three methods (autoencoder, bilinear, graphics) occur
# under two names, each time in two datasets. The first four rows, one of each dataset, already have both.
FORGERIES = (
    Forgery(FF, "DeepFakes", "Deepfakes", "autoencoder"),
    Forgery(DFD, "FaceSwap", "DeepFakeDetection", "autoencoder"),
    Forgery(CELEB, "FaceSwapPRO", "Celeb-synthesis", "bilinear"),
    Forgery(NET, "DeepFakes", "3", "bilinear"),
    Forgery(FF, "NeuralTextures", "NeuralTextures", "sharpen"),
    Forgery(NET, "SC-FEGAN", "14", "strokes"),
    Forgery(FF, "FaceSwap", "FaceSwap", "graphics"),
    Forgery(NET, "MMReplacement", "5", "graphics"),
    Forgery(FF, "Face2Face", "Face2Face", "warp"),
    Forgery(NET, "StarGAN2", "13", "checkerboard"),
    Forgery(NET, "StyleGAN2", "11", "spectral"),
    Forgery(NET, "DiscoFaceGAN", "15", "smooth"),
    Forgery(FF, "FaceShifter", "FaceShifter", "smooth"),
    Forgery(NET, "FaceShifter", "1", "halo"),
    Forgery(NET, "Talking_Head_Video", "7", "mouth"),
    Forgery(NET, "BlendFace", "4", "blend"),
    Forgery(NET, "FS-GAN", "2", "nearest"),
    Forgery(NET, "ATVG-Net", "8", "grid"),
    Forgery(NET, "MaskGAN", "12", "posterise"),
    Forgery(NET, "FOMM", "10", "warp"),
    Forgery(NET, "DeepFakes-StarGAN-Stack", "6", "checkerboard"),
    Forgery(NET, "StarGAN-BlendFace-Stack", "9", "blend"),
    Forgery(CELEB1, "FaceSwapPRO", "CelebDFv1_FaceSwapPRO", "bilinear"),
    Forgery(DEEPER, "DF-VAE", "DeeperForensics_DF-VAE", "autoencoder"),
    Forgery(MNIST, "FOMM", "DeepFakeMnist+_FOMM", "mouth"),
    Forgery(TIMIT, "FaceSwap-GAN", "DeepfakeTIMIT_FaceSwap-GAN", "autoencoder"),
    Forgery(AV, "FaceSwap", "FakeAVCeleb_FaceSwap", "graphics"),
    Forgery(AV, "FSGAN", "FakeAVCeleb_FSGAN", "nearest"),
    Forgery(AV, "Wav2Lip", "FakeAVCeleb_Wav2Lip", "mouth"),
    Forgery(PATCH, "PROGAN", "Patch-wise_Face_Image_Forensics_PROGAN", "spectral"),
    Forgery(PATCH, "StyleGAN2", "Patch-wise_Face_Image_Forensics_StyleGAN2", "sharpen"),
)
"""All categories of fakes, in the order in which a world takes them; together they are the paper's 31."""

UNKNOWN = ("FaceForensics++_NeuralTextures", "ForgeryNet_SC-FEGAN", "ForgeryNet_StarGAN2", "ForgeryNet_DiscoFaceGAN")
"""The categories meant to be held out. They have four methods; the first three of them are behind no other category of
the default world."""


METHODS = tuple(sorted({forgery.method for forgery in FORGERIES}))


def forgeries(categories: int, placement: int = 0) -> list[Forgery]:
    """The first `categories` categories of fakes, with their methods.

    Args:
        categories: Number of categories, 1 to ``len(FORGERIES)``.
        placement: 0 for the methods of the table above. Any other number assigns methods at random, with this number
            as the seed: which of them are behind several names, how many are (a fifth to a third of the known
            categories share a method), and where. No dataset gets a method twice unless it has more categories than
            there are methods. The unknown categories get methods that no known one has, as far as there are any.
    """
    rows = list(FORGERIES[:categories])
    if not placement:
        return rows
    generator = random.Random(placement)
    for _ in range(1000):
        methods = _assigned_at_random(rows, generator)
        pairs = [(row.dataset, method) for row, method in zip(rows, methods, strict=True)]
        if len(set(pairs)) == len(pairs) or max(Counter(row.dataset for row in rows).values()) > len(METHODS):
            break
    return [row._replace(method=method) for row, method in zip(rows, methods, strict=True)]


def _assigned_at_random(rows: list[Forgery], generator: random.Random) -> list[str]:
    """A method for each row. Uses Random.random alone, whose numbers are the same in every version of Python."""

    def shuffled(values: Iterable[Any]) -> list[Any]:
        return sorted(values, key=lambda _: generator.random())

    known = [number for number, row in enumerate(rows) if row.category not in UNKNOWN]
    names = shuffled(METHODS)
    least, most = len(known) // 5, len(known) // 3
    different = min(len(known) - least - int(generator.random() * (most - least + 1)), len(names))
    assigned = [""] * len(rows)
    used: set[tuple[str, str]] = set()
    free = shuffled(known)
    for turn in range(len(known)):
        name = names[turn % different]
        row = next((row for row in free if (rows[row].dataset, name) not in used), free[0])
        free.remove(row)
        used.add((rows[row].dataset, name))
        assigned[row] = name
    unknown = [number for number in range(len(rows)) if number not in set(known)]
    remaining = [*names[different:], *shuffled(names[:different])]
    for row in shuffled(unknown):
        assigned[row] = next((name for name in remaining if (rows[row].dataset, name) not in used), remaining[0])
        used.add((rows[row].dataset, assigned[row]))
        remaining.sort(key=assigned[row].__eq__)  # last, so that the next row gets another one
    return assigned


def datasets(categories: int) -> list[str]:
    """The datasets of a world: always the first four, and each further one of which there is a category."""
    named = {forgery.dataset for forgery in FORGERIES[:categories]}
    return [*DATASETS, *(dataset for dataset in FURTHER if dataset in named)]


def truth(categories: int, placement: int = 0) -> dict[str, str]:
    """Category -> method of a world with `categories` categories of fakes; the method of reals is "real"."""
    fakes = {forgery.category: forgery.method for forgery in forgeries(categories, placement)}
    return fakes | {f"{dataset}_real": "real" for dataset in datasets(categories) if dataset in WITH_REALS}
