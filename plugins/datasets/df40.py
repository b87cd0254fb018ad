"""DF40."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

VIDEOS = (  # methods that swap or reenact: their pictures are frames of videos
    *("fsgan", "faceswap", "simswap", "inswap", "blendface", "uniface", "mobileswap", "e4s", "facedancer"),
    *("deepfacelab", "fomm", "facevid2vid", "wav2lip", "MRAA", "one_shot_free", "pirender", "tpsm", "lia", "danet"),
    *("sadtalker", "mcnet", "hyperreenact", "heygen"),
)
PICTURES = (  # entire-face synthesis and edits
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
SIDED = ("heygen", "deepfacelab", "MidJourney", "whichfaceisreal", "stargan", "starganv2", "styleclip", "CollabDiff")
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
    """DF40: 40 methods of face swap, reenactment, entire-face synthesis and edit; cropped faces.

    The tree:  DF40/simswap/cdf/frames/id0_id1_0000/000.png, DF40/StyleGAN3/ff/000/seed0001.png,
               DF40/ddim/cdf/Fake_from_Celeb-real/id0_0000/seed0001.png, DF40/stargan/{fake,real}/0001.png,
               DF40/e4e/cdf/Celeb-real/inversions/0001.jpg (fakes all, whatever the folder says),
               DF40_train/simswap/frames/993_989/131.png, DF40_train/StyleGAN2/001/seed0188.png
    DF40 is the test part; when DF40_train lies beside it both are read, and what lies beside them is ignored. The last
    folder of a method counts, since one zip nests a long path. A method's files that lie in no folder of it, as the zip
    of uniface leaves them, cannot be told from another's: unpack them into a folder of its name. Case differs between
    the parts of the dataset and does not count; whichisreal is whichfaceisreal, and StarGAN2 is starganv2.

    Below ff and cdf, and in DF40_train, folders are named as videos of FaceForensics++ (target_source) and Celeb-DF,
    whose identities and groups they share. Those of synthesised faces are too, though no video is behind them.
    Heygen, deepfacelab and the other methods with a folder real bring their reals, for which nothing is known. The
    reals of the rest are frames of FaceForensics++ and Celeb-DF in zips of their own: read those as these datasets.
    Folders may be empty, and the jsons of the publishers name frames that are not there; they are not read here.

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
        folders = [part.lower() for part in parts[:-1]]
        top = folders[0] if folders else ""
        if top in REALS or (self.has_parts and top not in PARTS and top not in METHODS):
            return Remark("ignored", "/".join(parts), "not of DF40, but of a dataset beside it")
        at = [n for n, folder in enumerate(folders) if folder in METHODS]
        if not at:
            raise Unparsed("in no folder of a method (the zip of uniface lacks its own)")
        method = METHODS[folders[at[-1]]]
        if {METHODS[folders[n]] for n in at} != {method}:
            raise Unparsed("in the folders of two methods")
        below = folders[at[-1] + 1 :]
        return self._read_below(parts, method, below, PARTS.get(top, self.part))

    def _read_below(self, parts: tuple[str, ...], method: str, below: list[str], split: str) -> Sample:
        sides = {folder for folder in below if folder in ("fake", "real")}
        bases = [folder for folder in below if folder in ("ff", "cdf")]
        rest = [folder for folder in below if folder not in (*LEVELS, "fake", "real", "ff", "cdf")]
        stem, _, suffix = parts[-1].rpartition(".")
        video = suffix.lower() == "mp4"
        clip = stem if video else rest[0] if rest else ""
        if len(sides) > 1 or len(bases) > 1 or len(rest) > 1 or (rest and video):
            raise Unparsed("its folders are not those of the published tree")
        if not sides and method in SIDED:
            raise Unparsed(f"neither in fake nor in real of {method}")
        if not sides and not clip and method != "e4e":
            raise Unparsed("not in the folder of a video")
        is_frame = method in VIDEOS and bool(rest)
        if is_frame and not NUMBER.fullmatch(stem):
            raise Unparsed("not a numbered frame")
        group, identities = ("", ()) if sides or not clip else _base(clip, bases[0] if bases else "ff")
        return self.sample(
            parts,
            "real" if "real" in sides else method,
            group=group,
            identities=identities,
            split=split or ("test" if sides or bases else ""),  # the training part has no such level
            frame=int(stem) if is_frame else None,
        )


def _base(clip: str, base: str) -> tuple[str, tuple[str, ...]]:
    """The group and the identities of a video of FaceForensics++ or Celeb-DF."""
    found = (CLIP if base == "ff" else CELEB).fullmatch(clip)
    if not found:
        raise Unparsed(f"{clip} is no video of {'FaceForensics++' if base == 'ff' else 'Celeb-DF'}")
    if base == "ff":
        return f"ffpp:{found[1]}", tuple(f"ffpp:{n}" for n in found.groups() if n)
    people = tuple(f"celebdf:{person}" for person in found.groups()[:2] if person)
    return f"{people[0]}_{found[3]}" if people else "", people


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"DF40": DF40}
