"""Which process hides behind which category of a world. Nothing heavy is imported here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple


class Forgery(NamedTuple):
    """A category of fakes: its dataset, its method's name there, the folder its files lie in, and the truth."""

    dataset: str
    method: str
    folder: str
    process: str

    @property
    def category(self) -> str:
        return f"{self.dataset}_{self.method}"


FF, DFD, CELEB, NET = DATASETS = ("FaceForensics++", "DeepFakeDetection", "CelebDFv2", "ForgeryNet")

# The six further datasets of Sun et al. 2023; those whose reals are in the world. DeepfakeTIMIT ships none either, but
# whoever needs them has cut those of VidTIMIT under its name; for DeeperForensics those of FaceForensics++ serve.
CELEB1, DEEPER, MNIST, TIMIT, AV, PATCH = FURTHER = (
    "CelebDFv1", "DeeperForensics", "DeepFakeMnist+", "DeepfakeTIMIT", "FakeAVCeleb", "Patch-wise_Face_Image_Forensics",
)  # fmt: skip
WITH_REALS = (*DATASETS, CELEB1, MNIST, TIMIT, AV, PATCH)

# Of the first 18, the 14 that are not in UNKNOWN bear 11 names and hide 11 processes: three names occur twice, each
# time for two processes (DeepFakes, FaceShifter, FaceSwap), and three processes occur under two names, each time in
# two datasets (autoencoder, bilinear, graphics). The first four rows have something of both, in four datasets.
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
"""Every category of fakes there can be, in the order a world takes them up; all of them are the paper's 31."""

UNKNOWN = ("FaceForensics++_NeuralTextures", "ForgeryNet_SC-FEGAN", "ForgeryNet_StarGAN2", "ForgeryNet_DiscoFaceGAN")
"""The categories meant to be kept unseen: four processes, of which the first three hide behind no other category of
the default world."""


PROCESSES = tuple(sorted({forgery.process for forgery in FORGERIES}))


def forgeries(categories: int, placement: int = 0) -> list[Forgery]:
    """The first so many categories, with the processes behind them.

    placement  0 is the table above; any other number deals the processes to the categories anew, by lot: which hide
               behind several names, how many do (a fifth to a third of the known ones), and where. No dataset has one
               twice, unless there are too few for it; the unknown categories have such as no known one has, as far as
               there are any
    """
    rows = list(FORGERIES[:categories])
    if not placement:
        return rows
    lots = random.Random(placement)
    for _ in range(1000):
        dealt = _dealt(rows, lots)
        held = [(row.dataset, process) for row, process in zip(rows, dealt, strict=True)]
        if len(set(held)) == len(held) or max(Counter(row.dataset for row in rows).values()) > len(PROCESSES):
            break
    return [row._replace(process=process) for row, process in zip(rows, dealt, strict=True)]


def _dealt(rows: list[Forgery], lots: random.Random) -> list[str]:
    """A process for each row. Only Random.random is used: its numbers are the same in every version of Python."""

    def shuffled(values: Iterable[Any]) -> list[Any]:
        return sorted(values, key=lambda _: lots.random())

    known = [number for number, row in enumerate(rows) if row.category not in UNKNOWN]
    names = shuffled(PROCESSES)
    least, most = len(known) // 5, len(known) // 3
    kinds = min(len(known) - least - int(lots.random() * (most - least + 1)), len(names))
    found = [""] * len(rows)
    used: set[tuple[str, str]] = set()
    free = shuffled(known)
    for turn in range(len(known)):
        name = names[turn % kinds]
        place = next((place for place in free if (rows[place].dataset, name) not in used), free[0])
        free.remove(place)
        used.add((rows[place].dataset, name))
        found[place] = name
    unknown = [number for number in range(len(rows)) if number not in set(known)]
    rest = [*names[kinds:], *shuffled(names[:kinds])]
    for place in shuffled(unknown):
        found[place] = next((name for name in rest if (rows[place].dataset, name) not in used), rest[0])
        used.add((rows[place].dataset, found[place]))
        rest.sort(key=found[place].__eq__)  # the next one takes another
    return found


def datasets(categories: int) -> list[str]:
    """The datasets of a world with that many categories of fakes: the first four always, a further one with its own."""
    named = {forgery.dataset for forgery in FORGERIES[:categories]}
    return [*DATASETS, *(dataset for dataset in FURTHER if dataset in named)]


def truth(categories: int, placement: int = 0) -> dict[str, str]:
    """Category -> process, of a world with that many categories of fakes. The reals of every dataset are "real"."""
    fakes = {forgery.category: forgery.process for forgery in forgeries(categories, placement)}
    return fakes | {f"{dataset}_real": "real" for dataset in datasets(categories) if dataset in WITH_REALS}
