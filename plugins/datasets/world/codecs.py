"""How the datasets of a drawn world are stored."""

from __future__ import annotations

from kce import WorldCodec

# (crf, quality, scale) at artefact 1; at artefact 0 all datasets are stored alike.
_WORST = {
    ("FaceForensics++", "c23"): (23, 75, 1.0),
    ("FaceForensics++", "c40"): (40, 75, 1.0),
    ("DeepFakeDetection", "c23"): (36, 75, 1.5),
    ("CelebDFv2", ""): (30, 75, 1.25),
    ("ForgeryNet", ""): (40, 70, 0.75),
    ("CelebDFv1", ""): (30, 60, 1.25),
    ("DeeperForensics", ""): (23, 95, 1.5),
    ("DeepFakeMnist+", ""): (40, 50, 0.75),
    ("DeepfakeTIMIT", ""): (40, 45, 0.75),
    ("FakeAVCeleb", ""): (36, 60, 0.85),
    ("Patch-wise_Face_Image_Forensics", ""): (23, 90, 1.0),
}


def codec(dataset: str, artefact: float, copy: str = "") -> WorldCodec:
    """The codec of a dataset.

    Args:
        dataset: Name of the dataset.
        artefact: Artefact strength from 0, where all datasets have the same codec, to 1, where each has its own.
        copy: "c23" or "c40" for FaceForensics++, "c23" for DeepFakeDetection, else empty.
    """
    clean = WorldCodec()
    best = (clean.crf, clean.quality, clean.scale)
    crf, quality, scale = (a + artefact * (b - a) for a, b in zip(best, _WORST[dataset, copy], strict=True))
    return WorldCodec(round(crf), round(quality), scale)
