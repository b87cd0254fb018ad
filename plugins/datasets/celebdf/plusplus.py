"""Celeb-DF++, the third version of Celeb-DF."""

from __future__ import annotations

import re
from collections.abc import Hashable

from kce import Clip, Remark, Sample, Unparsed

from .listed import Listed

FAMILIES = {
    "FaceSwap": "Celeb-DF BlendFace GHOST HifiFace InSwapper MobileFaceSwap SimSwap UniFace",
    "FaceReenact": "DaGAN FSRT HyperReenact LIA LivePortrait MCNET TPSMM",
    "TalkingFace": "AniTalker EchoMimic EDTalk FLOAT IP_LAP Real3DPortrait SadTalker",
}
FOLDERS = {  # folder in lower case -> kind of its names, method
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
Content = tuple[str, str]


class CelebDFpp(Listed):
    """Celeb-DF++: the 890 reals of Celeb-DF v2, and 53,196 fakes by 22 methods in three families.

    Layout::

        Celeb-real/id0_0000.mp4
        YouTube-real/00000.mp4
        Celeb-synthesis/FaceSwap/GHOST/id0_id1_0000.mp4                 target_donor_recording
        Celeb-synthesis/FaceReenact/LIA/id0_id1_0000.mp4                target_driver_recording
        Celeb-synthesis/TalkingFace/FLOAT/id0_0000_test_id08701_x.mp4   target_recording, then the audio
        List_of_testing_videos.txt

    FaceSwap/Celeb-DF (in some copies Celeb-DF-v2) contains the fakes of Celeb-DF itself. Many methods have files of the
    same name; a talking face has one identity. A level videos/ above the files is read, too, and frames as in Celeb-DF.

    Official split: test only, by the list: 178 reals and 200 fakes per method (talking faces: 300). The format of the
    list is not published; as in Celeb-DF, "1 path" is read as a real and "0 path" as a fake. A line that disagrees with
    its folder, or has another format, is a conflict, and the folder decides.

    Licence: CC BY-NC 4.0, by form.
    Source: Li et al. 2025, Celeb-DF++: A Large-scale Challenging Video DeepFake Benchmark for Generalizable Forensics.
    github.com/OUC-VAS/Celeb-DF-PP
    """

    name = "CelebDF++"
    root_names = ("Celeb-DF++", "Celeb-DF-PP", "Celeb-DF-v3", "CDFv3", "CelebDF++")
    excluded_root_names = ("Celeb-DF-v1", "CelebDF-v1", "CelebDFv1", "Celeb-DF-v2", "CelebDF-v2", "CelebDFv2")
    root_contains = (("Celeb-synthesis", "Celeb-real", "YouTube-real"),)
    folders = FOLDERS
    expected = EXPECTED
    method_count = 22
    licence = "CC BY-NC 4.0, by form"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        clip = self.clip(parts)
        content, stem = _content_and_stem(clip)
        kind, method = content
        match = STEMS[kind].fullmatch(stem)
        if not match:
            raise Unparsed(f"not a file name of {kind}")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        names = match.groupdict()
        target = names.get("target")
        return self.sample(
            parts,
            method,
            group=f"celebdf:{target}_{names['recording']}" if target else "",
            identities=tuple(f"celebdf:{person}" for person in (target, names.get("donor")) if person),
            split="test" if (content, stem) in self.test else "",
            frame=clip.frame,
        )

    def content_and_stem(self, parts: tuple[str, ...]) -> tuple[Content, str]:
        """See ``Listed.content_and_stem``."""
        return _content_and_stem(self.clip(parts))

    def is_real(self, content: Hashable) -> bool:
        """See ``Listed.is_real``."""
        return content in (FOLDERS["celeb-real"], FOLDERS["youtube-real"])


def _content_and_stem(clip: Clip) -> tuple[Content, str]:
    """What the folder contains, and the stem."""
    folders = "/".join(clip.folders).lower()
    if folders not in FOLDERS:
        raise Unparsed("not in a folder of reals or of one of the 22 methods")
    return FOLDERS[folders], clip.stem
