"""Celeb-DF++, the third version of Celeb-DF."""

from __future__ import annotations

import re
from collections.abc import Hashable

from kce import Remark, Sample, Unparsed

from .listed import Listed

FAMILIES = {
    "FaceSwap": "Celeb-DF BlendFace GHOST HifiFace InSwapper MobileFaceSwap SimSwap UniFace",
    "FaceReenact": "DaGAN FSRT HyperReenact LIA LivePortrait MCNET TPSMM",
    "TalkingFace": "AniTalker EchoMimic EDTalk FLOAT IP_LAP Real3DPortrait SadTalker",
}
PLACES = {  # folder in lower case -> what its names look like, method
    "celeb-real": ("Celeb-real", "real"),
    "youtube-real": ("YouTube-real", "real"),
    "celeb-synthesis/faceswap/celeb-df-v2": ("FaceSwap", "Celeb-DF"),
} | {
    f"celeb-synthesis/{family}/{method}".lower(): (family, method)
    for family, methods in FAMILIES.items()
    for method in methods.split()
}
PAIR = re.compile(r"(?P<target>id[0-9]+)_(?P<donor>id[0-9]+)_(?P<recording>[0-9]+)")
STEMS = {
    "Celeb-real": re.compile(r"(?P<target>id[0-9]+)_(?P<recording>[0-9]+)"),
    "YouTube-real": re.compile(r"[0-9]+"),
    "FaceSwap": PAIR,
    "FaceReenact": PAIR,
    "TalkingFace": re.compile(r"(?P<target>id[0-9]+)_(?P<recording>[0-9]+)_test_.+"),
}
EXPECTED = {"CelebDF++_real": 590 + 300}
Place = tuple[str, str]


class CelebDFpp(Listed):
    """Celeb-DF++: the 890 reals of Celeb-DF v2, and 53,196 fakes by 22 methods in three families.

    The tree:  Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4
               Celeb-synthesis/FaceSwap/GHOST/id0_id1_0000.mp4               (target_donor_recording)
               Celeb-synthesis/FaceReenact/LIA/id0_id1_0000.mp4              (target_driver_recording)
               Celeb-synthesis/TalkingFace/FLOAT/id0_0000_test_id08701_x.mp4 (target_recording, then the audio)
               List_of_testing_videos.txt
    FaceSwap/Celeb-DF, in some copies Celeb-DF-v2, holds the fakes of Celeb-DF itself. The same stem is in the folders
    of many methods; a talking face has one identity. A level videos/ above the files is read too.
    Official split: test only, by the list: 178 reals, 200 per method (talking faces: 300). The form of the list is not
    published; as in Celeb-DF, "1 path" is taken for a real and "0 path" for a fake. The folder decides; a line that
    disagrees with it, or has another form, is a conflict.

    Licence: CC BY-NC 4.0, by form.
    Source: Li et al. 2025, Celeb-DF++: A Large-scale Challenging Video DeepFake Benchmark for Generalizable Forensics.
    github.com/OUC-VAS/Celeb-DF-PP
    """

    name = "CelebDF++"
    root_names = ("Celeb-DF++", "Celeb-DF-PP", "Celeb-DF-v3", "CDFv3", "CelebDF++")
    excluded_root_names = ("Celeb-DF-v1", "CelebDF-v1", "CelebDFv1", "Celeb-DF-v2", "CelebDF-v2", "CelebDFv2")
    root_contains = (("Celeb-synthesis", "Celeb-real", "YouTube-real"),)
    places = PLACES
    expected = EXPECTED
    method_count = 22
    licence = "CC BY-NC 4.0, by form"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        place, stem = _place(parts)
        found = STEMS[place[0]].fullmatch(stem)
        if not found:
            raise Unparsed(f"no name of {place[0]}")
        names = found.groupdict()
        target = names.get("target")
        return self.sample(
            parts,
            place[1],
            group=f"celebdf:{target}_{names['recording']}" if target else "",
            identities=tuple(f"celebdf:{person}" for person in (target, names.get("donor")) if person),
            split="test" if (place, stem) in self.test else "",
        )

    def place(self, parts: tuple[str, ...]) -> tuple[Place, str]:
        return _place(parts)

    def is_real(self, place: Hashable) -> bool:
        return place in (PLACES["celeb-real"], PLACES["youtube-real"])


def _place(parts: tuple[str, ...]) -> tuple[Place, str]:
    """What the folder is, and the stem; some trees have a level videos/ between them."""
    folders = "/".join(parts[:-1]).lower().removesuffix("/videos")
    if folders not in PLACES:
        raise Unparsed("in no folder of reals, and in none of the 22 methods'")
    return PLACES[folders], parts[-1].rpartition(".")[0]
