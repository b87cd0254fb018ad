"""OWDFA-40."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

FOLDER = re.compile(r"([0-9]{1,3})_([A-Za-z]+)_(.+)")
REALS = ("CelebDF", "FF++")
METHODS = {  # type -> (index, method), to find the root; the folders are read by their index
    "Swap": "1 Deepfakes, 2 FaceSwap, 3 DeepFaceLab, 4 FaceShifter, 5 FSGAN, 21 BlendFace, 22 UniFace, 23 MobileSwap, "
    "24 e4s, 25 FaceDancer",
    "Reenact": "6 Face2Face, 7 NeuralTextures, 8 FOMM, 9 ATVG-Net, 10 TalkingHead, 26 TPSMM, 27 LIA, 28 DaGAN, "
    "29 SadTalker, 30 MCNet, 31 HyperReenact, 40 OneShot",
    "Edit": "11 MaskGAN, 12 StarGAN2, 13 SC-FEGAN, 14 FaceAPP, 15 StarGAN, 38 e4e",
    "Generate": "16 StyleGAN2_Net, 17 StyleGAN, 18 PGGAN, 19 CycleGAN, 20 StyleGAN2_NIR, 32 StyleGAN-XL, 33 SD2.1, "
    "34 RDDM, 35 PixArt, 36 DiT-XL, 37 SiT-XL, 39 StyleGAN3",
}


def _folders() -> tuple[str, ...]:
    fakes = [(*entry.split(" "), kind) for kind, listed in METHODS.items() for entry in listed.split(", ")]
    return (*(f"0_Real_{name}" for name in REALS), *(f"{index}_{kind}_{method}" for index, method, kind in fakes))


FOLDERS = _folders()


class OWDFA40(Tree):
    """OWDFA-40: pictures of 40 methods with one set of labels, made for open-world attribution.

    Layout::

        data/0_Real_FF++/..., data/0_Real_CelebDF/...    index 0 is real
        data/1_Swap_Deepfakes/...
        data/16_Generate_StyleGAN2_Net/...
        data/40_Reenact_OneShot/...

    Each folder is published as a zip that is unpacked into a folder of its own name, so a folder may be inside itself.
    The index decides what is real, and the part after the type is the method; folders of further methods are read in
    the same way. If index and type disagree, it is a conflict, and the pictures are left out. The names of the pictures
    are not documented: any name is read.

    The pictures come from FaceForensics++, Celeb-DF, ForgeryNet and others, and their names do not tell from which
    recording: there are no groups and no identities, and nothing prevents overlap with those datasets. There is no
    official split; the authors hold out a random fifth.

    Licence: not stated; that of the datasets it was taken from.
    Source: Zheng et al., Open-World Deepfake Attribution via Confidence-Aware Asymmetric Learning.
    github.com/HaiyangZheng/OWDFA-CAL
    """

    name = "OWDFA-40"
    root_names = ("data",)
    root_contains = (FOLDERS,)
    media = Tree.pictures
    method_count = 40
    licence = "not stated; that of the datasets it was taken from"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        match = FOLDER.fullmatch(parts[0]) if len(parts) > 1 else None
        if not match:
            raise Unparsed("not in a folder <index>_<Type>_<Method>")
        if any(part in FOLDERS and part != parts[0] for part in parts[1:-1]):
            raise Unparsed("in the folders of two methods")
        index, kind, method = match.groups()
        if (int(index) == 0) != (kind.lower() == "real"):
            return Remark("conflict", "/".join(parts), f"index {index} and type {kind} disagree; it is left out")
        return self.sample(parts, method if int(index) else "real")


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of OWDFA-40."""
    return {"OWDFA-40": OWDFA40}
