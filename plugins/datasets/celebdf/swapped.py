"""Celeb-DF, versions 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Hashable

from kce import Clip, Remark, Sample, Unparsed

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
    """What versions 1 and 2 share."""

    root_contains = (("Celeb-synthesis", "Celeb-fake", "Celeb-real", "YouTube-real"),)
    folders = FOLDERS
    licence = "Terms to Use Celeb-DF, by form; non-commercial"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        clip = self.clip(parts)
        folder, stem = _as_published(clip)
        match = STEMS[folder].fullmatch(stem)
        if not match:
            if STEMS[folder].fullmatch(stem.partition(".")[0]):
                return Remark("ignored", "/".join(parts), "a stray file of some copies, not of the official release")
            raise Unparsed(f"not a file name of {folder}")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        target, donor, recording = match.groups()
        return self.sample(
            parts,
            "FaceSwapPRO" if folder == "Celeb-synthesis" else "real",
            group=f"celebdf:{target}_{recording}" if target else "",
            identities=tuple(f"celebdf:{person}" for person in (target, donor) if person),
            split="test" if (folder, stem) in self.test else "",
            frame=clip.frame,
        )

    def content_and_stem(self, parts: tuple[str, ...]) -> tuple[str, str]:
        """See ``Listed.content_and_stem``."""
        return _as_published(self.clip(parts))

    def is_real(self, content: Hashable) -> bool:
        """See ``Listed.is_real``."""
        return content != "Celeb-synthesis"


def _as_published(clip: Clip) -> tuple[str, str]:
    """The folder as it is published, and the stem."""
    folder = FOLDERS.get("/".join(clip.folders).lower())
    if not folder:
        raise Unparsed(f"not directly in one of {', '.join(STEMS)}")
    return folder, clip.stem


class CelebDFv1(_CelebDF):
    """Celeb-DF version 1: 408 videos from the web, and 795 whose faces were swapped by the authors' improved method.

    Layout::

        Celeb-real/id0_0000.mp4
        YouTube-real/00000.mp4
        Celeb-synthesis/id0_id1_0000.mp4    target_donor_recording
        List_of_testing_videos.txt

    The real of a fake is its target's recording; reals from YouTube have neither identity nor group. File names are the
    same as in version 2, so a root named like version 2 is refused. A level videos/ below the folders, other spellings
    of the folders, and Celeb-fake are read, too. Of a video that is not there, frames are read:
    Celeb-real/frames/id0_0000/131.png, with the number in the name as the number of the frame.

    Official split: test only, by the list, in which 1 is real and 0 is fake. A line that disagrees with its folder is a
    conflict, and the folder decides.

    Licence: Terms to Use Celeb-DF, by form; non-commercial.
    Source: Li et al. 2020, Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR.
    github.com/yuezunli/celeb-deepfakeforensics
    """

    name = "CelebDFv1"
    root_names = (*V1, "Celeb-DF")
    excluded_root_names = V2
    expected = EXPECTED_V1


class CelebDFv2(_CelebDF):
    """Celeb-DF version 2: 890 videos from the web, and 5639 whose faces were swapped by the authors' improved method.

    Layout and rules are those of version 1 (`kce show dataset CelebDFv1`); a root named like version 1 is refused.

    Official split: test only; the list has 518 lines: 178 reals (108 of Celeb-real, 70 of YouTube-real), 340 fakes.

    Licence: Terms to Use Celeb-DF, by form; non-commercial.
    Source: Li et al. 2020, Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR.
    github.com/yuezunli/celeb-deepfakeforensics
    """

    name = "CelebDFv2"
    root_names = (*V2, "Celeb-DF")
    excluded_root_names = V1
    expected = EXPECTED_V2
