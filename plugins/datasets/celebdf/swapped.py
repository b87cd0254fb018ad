"""Celeb-DF, versions 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Hashable

from kce import Remark, Sample, Unparsed

from .listed import Listed

FOLDERS = {  # in lower case -> as published
    "celeb-real": "Celeb-real",
    "youtube-real": "YouTube-real",
    "celeb-synthesis": "Celeb-synthesis",
    "celeb-fake": "Celeb-synthesis",
}
STEMS = {
    "Celeb-real": re.compile(r"(id[0-9]+)()_([0-9]+)"),
    "YouTube-real": re.compile(r"()()([0-9]+)"),
    "Celeb-synthesis": re.compile(r"(id[0-9]+)_(id[0-9]+)_([0-9]+)"),
}
EXPECTED_V1 = {"CelebDFv1_real": 158 + 250, "CelebDFv1_FaceSwapPRO": 795}
EXPECTED_V2 = {"CelebDFv2_real": 590 + 300, "CelebDFv2_FaceSwapPRO": 5639}
V1, V2 = ("Celeb-DF-v1", "CelebDF-v1", "CelebDFv1"), ("Celeb-DF-v2", "CelebDF-v2", "CelebDFv2")


class _CelebDF(Listed):
    """What both versions share."""

    root_contains = (("Celeb-synthesis", "Celeb-fake", "Celeb-real", "YouTube-real"),)
    places = FOLDERS
    licence = "Terms to Use Celeb-DF, by form; non-commercial"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        folder, stem = _place(parts)
        found = STEMS[folder].fullmatch(stem)
        if not found:
            if STEMS[folder].fullmatch(stem.partition(".")[0]):
                return Remark("ignored", "/".join(parts), "a stray of some copies, not of the official release")
            raise Unparsed(f"no name of {folder}")
        target, donor, recording = found.groups()
        return self.sample(
            parts,
            "FaceSwapPRO" if folder == "Celeb-synthesis" else "real",
            group=f"celebdf:{target}_{recording}" if target else "",
            identities=tuple(f"celebdf:{person}" for person in (target, donor) if person),
            split="test" if (folder, stem) in self.test else "",
        )

    def place(self, parts: tuple[str, ...]) -> tuple[str, str]:
        return _place(parts)

    def is_real(self, place: Hashable) -> bool:
        return place != "Celeb-synthesis"


def _place(parts: tuple[str, ...]) -> tuple[str, str]:
    """The folder as published, and the stem; some trees have a level videos/ between them."""
    folder = FOLDERS.get(parts[0].lower())
    levels = [part for part in parts[1:-1] if part.lower() != "videos"]
    if not folder or levels or len(parts) not in (2, 3):
        raise Unparsed(f"not right below one of {', '.join(STEMS)}")
    return folder, parts[-1].rpartition(".")[0]


class CelebDFv1(_CelebDF):
    """Celeb-DF version 1: 408 videos from the web, and 795 with the face swapped by the authors' improved method.

    The tree:  Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4, Celeb-synthesis/id0_id1_0000.mp4
               (target_donor_recording), List_of_testing_videos.txt
    The real of a fake is its target's recording; reals from YouTube have no identity and no group. File names are those
    of version 2 too: a root named as version 2 is refused. A level videos/ below the folders, other spellings of them,
    and Celeb-fake are read.
    Official split: test only, by the list, in which 1 is real and 0 is fake. The folder decides; a line that disagrees
    is a conflict.

    Licence: Terms to Use Celeb-DF, by form; non-commercial.
    Source: Li et al. 2020, Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR.
    github.com/yuezunli/celeb-deepfakeforensics
    """

    name = "CelebDFv1"
    root_names = (*V1, "Celeb-DF")
    excluded_root_names = V2
    expected = EXPECTED_V1


class CelebDFv2(_CelebDF):
    """Celeb-DF version 2: 890 videos from the web, and 5639 with the face swapped by the authors' improved method.

    The tree and its rules are those of version 1 (`kce show dataset CelebDFv1`); a root named as that one is refused.
    The official test list has 518 lines: 178 reals (108 of Celeb-real, 70 of YouTube-real) and 340 fakes.

    Licence: Terms to Use Celeb-DF, by form; non-commercial.
    Source: Li et al. 2020, Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR.
    github.com/yuezunli/celeb-deepfakeforensics
    """

    name = "CelebDFv2"
    root_names = (*V2, "Celeb-DF")
    excluded_root_names = V1
    expected = EXPECTED_V2
