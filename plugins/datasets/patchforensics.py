"""Patch-wise Face Image Forensics."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

FOLDERS = {  # (source of the reals, folder) -> method
    ("celebahq", "pgan-pretrained-128-png"): "PROGAN",
    ("celebahq", "sgan-pretrained-128-png"): "StyleGAN",
    ("celebahq", "glow-pretrained-128-png"): "Glow",
    ("celeba", "mfa-defaults"): "GMM",
    ("ffhq", "pgan-9k-128-png"): "PROGAN",
    ("ffhq", "sgan-pretrained-128-png"): "StyleGAN",
    ("ffhq", "sgan2-pretrained-128-png"): "StyleGAN2",
    ("celeba", "mfa-real"): "real",
    **{
        (domain, f"real-tfr-1024-{size}"): "real"
        for domain in ("celebahq", "ffhq")
        for size in ("resized128", "resized-128")
    },
}
SPLITS = ("train", "val", "test")
REAL = re.compile(r"[0-9]+")
FAKE = re.compile(r"seed[0-9]+_sample[0-9]+|[0-9]+")


class PatchForensics(Tree):
    """Patch-wise Face Image Forensics: faces from five generators, 128 x 128, and reals of three sources.

    Layout::

        celebahq/{real-tfr-1024-resized128, pgan-pretrained-128-png, sgan-pretrained-128-png, glow-pretrained-128-png}/
            {train,val,test}/seed001_sample000000.png
        celeba/{mfa-real, mfa-defaults}/...
        ffhq/{real-tfr-1024-resized128, pgan-9k-128-png, sgan-pretrained-128-png, sgan2-pretrained-128-png}/...

    The root is dataset/faces (in the README of the authors datasets/faces); the folder of reals may also end in
    resized-128. Only the test part is published. Categories: PROGAN and StyleGAN (each of CelebA-HQ and FFHQ),
    StyleGAN2, Glow, GMM; the split is that of the folder. Generated faces have no identity and no group; a real of
    CelebA-HQ has the number of its picture in CelebA, and nothing else is known about reals. The content of the
    published archive is not confirmed: names that are neither seedNNN_sampleNNNNNN nor a number are unparsed. The
    frames of FaceForensics++ that the authors made for themselves (faceforensics_aligned) are ignored, since reals have
    the names of fakes there.

    Licence: none stated for the pictures; FFHQ and CelebA-HQ are non-commercial.
    Source: Chai et al. 2020, What Makes Fake Images Detectable? Understanding Properties that Generalize, ECCV.
    github.com/chail/patch-forensics
    """

    name = "Patch-wise_Face_Image_Forensics"
    root_names = ("faces",)
    root_contains = (("celebahq", "ffhq", "celeba"),)
    media = frozenset({".png"})
    ignored = Tree.ignored | {"faceforensics_aligned"}
    method_count = 5
    licence = "none stated for the pictures; FFHQ and CelebA-HQ are non-commercial"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if len(parts) != 4 or parts[2].lower() not in SPLITS:
            raise Unparsed("not in folders of a source, a generator and train, val or test")
        source, folder, split = (part.lower() for part in parts[:3])
        method = FOLDERS.get((source, folder))
        if not method:
            raise Unparsed(f"{parts[0]}/{parts[1]} is not a folder of the dataset")
        stem = parts[3].rpartition(".")[0]
        if not (REAL if method == "real" else FAKE).fullmatch(stem):
            raise Unparsed("not a number" if method == "real" else "not seedNNN_sampleNNNNNN")
        has_identity = method == "real" and source == "celebahq"
        return self.sample(parts, method, identities=(f"celeba-img:{stem}",) if has_identity else (), split=split)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of Patch-wise Face Image Forensics."""
    return {"Patch-wise_Face_Image_Forensics": PatchForensics}
