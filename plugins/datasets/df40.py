"""DF40."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

VIDEOS = (  # methods that swap or reenact: their pictures are frames of videos
    *("fsgan", "faceswap", "simswap", "inswap", "blendface", "uniface", "mobileswap", "e4s", "facedancer"),
    *("deepfacelab", "fomm", "facevid2vid", "wav2lip", "MRAA", "one_shot_free", "pirender", "tpsm", "lia", "danet"),
    *("sadtalker", "mcnet", "hyperreenact", "heygen"),
)
PICTURES = (  # entire-face synthesis and editing
    *("VQGAN", "StyleGAN2", "StyleGAN3", "StyleGANXL", "sd2.1", "ddim", "RDDM", "PixArt", "DiT", "SiT", "MidJourney"),
    *("whichfaceisreal", "CollabDiff", "e4e", "stargan", "starganv2", "styleclip"),
)
METHODS = {method.lower(): method for method in (*VIDEOS, *PICTURES)} | {
    "whichisreal": "whichfaceisreal",
    "stargan2": "starganv2",
    "dagan": "danet",
    "oneshot": "one_shot_free",
    "sd_2.1": "sd2.1",
    "ddpm": "ddim",
}
PARTS = {"df40": "test", "df40_train": "train"}
WITH_REALS = (
    "heygen",
    "deepfacelab",
    "MidJourney",
    "whichfaceisreal",
    "stargan",
    "starganv2",
    "styleclip",
    "CollabDiff",
)
REALS = ("faceforensics++", "celeb-df-v1", "celeb-df-v2")
LEVELS = (
    "frames",
    "videos",
    "inversions",
    "celeb-real",
    "youtube-real",
    "fake_from_celeb-real",
    "fake_from_youtube-real",
)

CLIP = re.compile(r"([0-9]{3})(?:_([0-9]{3}))?")
CELEB = re.compile(r"(id[0-9]+)(?:_(id[0-9]+))?_([0-9]{4})|[0-9]{5}")
NUMBER = re.compile(r"[0-9]{1,9}")


class DF40(Tree):
    """DF40: 40 methods of face swap, reenactment, entire-face synthesis and editing; cropped faces.

    Layout::

        DF40/simswap/cdf/frames/id0_id1_0000/000.png
        DF40/StyleGAN3/ff/000/seed0001.png
        DF40/ddim/cdf/Fake_from_Celeb-real/id0_0000/seed0001.png
        DF40/stargan/{fake,real}/0001.png
        DF40/e4e/cdf/Celeb-real/inversions/0001.jpg      all fakes, whatever the folder is called
        DF40_train/simswap/frames/993_989/131.png
        DF40_train/StyleGAN2/001/seed0188.png

    DF40 is the test part. If DF40_train is beside it, both are read, and everything beside them is ignored. Among
    nested folders of methods the last one counts, since one zip contains a long path. Files in no folder of a method,
    as the zip of uniface leaves them, cannot be told from those of other methods: unpack them into a folder uniface.
    Upper and lower case differ between the parts and do not count; whichisreal is read as whichfaceisreal, and
    StarGAN2 as starganv2.

    Below ff and cdf, and in DF40_train, folders are named like videos of FaceForensics++ (target_source) and Celeb-DF,
    with which identities and groups are shared. This includes synthesised faces, although no video is behind them.
    Heygen, deepfacelab and the other methods with a folder real have reals of their own, about which nothing is known.
    The reals of all other methods are frames of FaceForensics++ and Celeb-DF in separate zips: read those as these
    datasets. Folders may be empty, and the JSON files of the publishers list frames that do not exist; they are not
    read here.

    Licence: CC BY-NC 4.0.
    Source: Yan et al. 2024, DF40: Toward Next-Generation Deepfake Detection, NeurIPS. github.com/YZY-stack/DF40
    """

    name = "DF40"
    root_names = ("DF40",)
    root_contains = (("DF40_train",), tuple(METHODS))
    media = Tree.pictures | {".mp4"}
    method_count = 40
    licence = "CC BY-NC 4.0"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.part = PARTS.get(self.root.name.lower(), "")
        self.has_parts = any(self.find(part) for part in PARTS)

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        folders = [part.lower() for part in parts[:-1]]
        top = folders[0] if folders else ""
        if top in REALS or (self.has_parts and top not in PARTS and top not in METHODS):
            return Remark("ignored", "/".join(parts), "of another dataset beside DF40")
        levels = [n for n, folder in enumerate(folders) if folder in METHODS]
        if not levels:
            raise Unparsed("not in a folder of a method (the zip of uniface lacks one)")
        method = METHODS[folders[levels[-1]]]
        if {METHODS[folders[n]] for n in levels} != {method}:
            raise Unparsed("in the folders of two methods")
        below = folders[levels[-1] + 1 :]
        return self._parse_below(parts, method, below, PARTS.get(top, self.part))

    def _parse_below(self, parts: tuple[str, ...], method: str, below: list[str], split: str) -> Sample:
        truths = {folder for folder in below if folder in ("fake", "real")}
        bases = [folder for folder in below if folder in ("ff", "cdf")]
        others = [folder for folder in below if folder not in (*LEVELS, "fake", "real", "ff", "cdf")]
        stem, _, suffix = parts[-1].rpartition(".")
        video = suffix.lower() == "mp4"
        clip = stem if video else others[0] if others else ""
        if len(truths) > 1 or len(bases) > 1 or len(others) > 1 or (others and video):
            raise Unparsed("its folders are not those of the published tree")
        if not truths and method in WITH_REALS:
            raise Unparsed(f"neither in the folder fake nor in the folder real of {method}")
        if not truths and not clip and method != "e4e":
            raise Unparsed("not in the folder of a video")
        is_frame = method in VIDEOS and bool(others)
        if is_frame and not NUMBER.fullmatch(stem):
            raise Unparsed("not a numbered frame")
        group, identities = ("", ()) if truths or not clip else _group_and_identities(clip, bases[0] if bases else "ff")
        return self.sample(
            parts,
            "real" if "real" in truths else method,
            group=group,
            identities=identities,
            split=split or ("test" if truths or bases else ""),  # the training part has no such level
            frame=int(stem) if is_frame else None,
        )


def _group_and_identities(clip: str, base: str) -> tuple[str, tuple[str, ...]]:
    """The group and the identities of a video of FaceForensics++ (base "ff") or Celeb-DF ("cdf")."""
    match = (CLIP if base == "ff" else CELEB).fullmatch(clip)
    if not match:
        raise Unparsed(f"{clip} is not a video of {'FaceForensics++' if base == 'ff' else 'Celeb-DF'}")
    if base == "ff":
        return f"ffpp:{match[1]}", tuple(f"ffpp:{n}" for n in match.groups() if n)
    people = tuple(f"celebdf:{person}" for person in match.groups()[:2] if person)
    return f"{people[0]}_{match[3]}" if people else "", people


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DF40."""
    return {"DF40": DF40}
