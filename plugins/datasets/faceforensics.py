"""FaceForensics++ and DeepFakeDetection, which share one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from kce import FolderRemark, KCEError, Remark, Sample, Tree, Unparsed, hookimpl

COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}
HALVES = ("original_sequences", "manipulated_sequences")
MEDIA_FOLDERS = ("videos", "images", "frames")
DOWNLOADS = ("downloaded_videos", "downloaded_videos_info", "downloaded_videosinfo")  # what the reals were cut from

# (real, folder in lower case) -> method
FFPP = {
    (True, "youtube"): "real",
    (False, "deepfakes"): "DeepFakes",
    (False, "df"): "DeepFakes",
    (False, "face2face"): "Face2Face",
    (False, "f2f"): "Face2Face",
    (False, "faceshifter"): "FaceShifter",
    (False, "fsh"): "FaceShifter",
    (False, "faceswap"): "FaceSwap",
    (False, "fs"): "FaceSwap",
    (False, "neuraltextures"): "NeuralTextures",
    (False, "nt"): "NeuralTextures",
}
DFD = {
    (True, "actors"): "real",
    (False, "deepfakedetection"): "FaceSwap",
    (False, "deepfakesdetection"): "FaceSwap",
}
BOTH = FFPP | DFD
EXPECTED_FFPP = {f"FaceForensics++_{method}": 1000 for method in FFPP.values()}
EXPECTED_DFD = {"DeepFakeDetection_real": 363, "DeepFakeDetection_FaceSwap": 3068}

CLIP = re.compile(r"([0-9]{3})(?:_([0-9]{3}))?")
SCENE = re.compile(r"([0-9]{2})(?:_([0-9]{2}))?__((?:(?!__).)+)(?:__[A-Za-z0-9]{8})?")


class _Location(NamedTuple):
    real: bool
    name: str  # of the method, or of the source of reals
    compression: str


class _Family(Tree):
    """What both share: the folder as published, and a re-upload of it that is flat."""

    root_names = ("FaceForensics++", "FaceForensics", "FF++", "ffpp", "DFD")
    root_contains = (
        HALVES,
        ("original", "Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures", "DeepFakeDetection"),
    )
    media = Tree.pictures | {".mp4"}
    licence = "FaceForensics Terms of Use, on request; non-commercial"
    methods: ClassVar[dict[tuple[bool, str], str]]

    def __init__(self, root: str, compression: str = "c23") -> None:
        if compression not in (*COMPRESSIONS, "all"):
            raise KCEError(
                f"{self.name} has no compression {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}, all"
            )
        super().__init__(root)
        self.compressions = set(COMPRESSIONS.values()) if compression == "all" else {COMPRESSIONS[compression]}
        self.expected = {category: n * len(self.compressions) for category, n in self.expected.items()}
        self._there: dict[str, dict[str, int]] = {}  # category -> compression -> number of files

    def __iter__(self) -> Iterator[Sample | Remark]:
        self._there.clear()
        yield from super().__iter__()
        yield from self._other_compressions()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if parts[0].lower() in DOWNLOADS:
            return Remark("ignored", "/".join(parts), "a video from the web, of which the reals are cuts")
        location = self._locate(parts)
        source = (location.real, location.name.lower())
        if source not in BOTH:
            raise Unparsed(f"{location.name} is neither a method nor a source of reals")
        if source not in self.methods:
            return Remark("ignored", "/".join(parts), "of the other dataset in this folder")
        if location.compression.lower() not in COMPRESSIONS:
            raise Unparsed(f"{location.compression} is not one of the compressions {', '.join(COMPRESSIONS)}")
        method, compression = self.methods[source], COMPRESSIONS[location.compression.lower()]
        there = self._there.setdefault(f"{self.name}_{method}", {})
        there[compression] = there.get(compression, 0) + 1
        if compression not in self.compressions:
            return Remark("ignored", "/".join(parts), f"compression {location.compression}")
        clip = self.clip(parts)
        if parts[-1].lower().endswith(".mp4") != (len(parts) == 2 or parts[3].lower() == MEDIA_FOLDERS[0]):
            raise Unparsed("not a video in its folder, or a frame in the folder of its video")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        group, identities, split = self.facts(clip.stem, location.real)
        return self.sample(parts, method, group=group, identities=identities, split=split, frame=clip.frame)

    def _other_compressions(self) -> Iterator[Remark]:
        """What is said of categories that are there in other compressions than others, or than what is read."""
        lost = {name: there for name, there in self._there.items() if not self.compressions & there.keys()}
        read = ", ".join(sorted(self.compressions))
        for category, there in lost.items():
            others = ", ".join(sorted(there))
            wanted = next(iter(there)) if len(there) == 1 else "all"
            yield FolderRemark(
                "ignored",
                category.removeprefix(f"{self.name}_"),
                f"it is there in compression {others}, not in {read}",
                f"`{self.name}:compression={wanted}` reads it, `{self.name}:compression=all` reads all",
                category,
                sum(there.values()),
            )
        by_compression: dict[str, list[str]] = {}
        for category, there in self._there.items():
            by_compression.setdefault(" and ".join(sorted(self.compressions & there.keys())), []).append(category)
        if len(by_compression) > 1 and not lost:
            what = "; ".join(f"{', '.join(names)} in {where}" for where, names in sorted(by_compression.items()))
            yield Remark("conflict", self.name, f"{what}: a network can tell these apart by their compression")

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        raise NotImplementedError

    def _locate(self, parts: tuple[str, ...]) -> _Location:
        half = parts[0].lower()
        if half in HALVES and len(parts) > 4:
            media = parts[3].lower()
            if media not in MEDIA_FOLDERS:
                raise Unparsed(f"{parts[3]} is not one of the folders {', '.join(MEDIA_FOLDERS)}")
            if len(parts) != (5 if media == MEDIA_FOLDERS[0] else 6):
                raise Unparsed("neither a video directly in its folder nor a frame in the folder of its video")
            return _Location(half == HALVES[0], parts[1], parts[2])
        if half not in HALVES and len(parts) == 2:
            real = half == "original"
            ending = self.root.name.rpartition("_")[2].lower()
            compression = ending if ending in COMPRESSIONS else "c23"  # what the flat re-upload was made from
            return _Location(real, "youtube" if real else half, compression)
        raise Unparsed("not in a folder of the published layout")


class FaceForensics(_Family):
    """FaceForensics++: 1000 videos from the web, each forged by five methods. One identity per clip.

    Layout::

        original_sequences/youtube/c23/videos/071.mp4
        manipulated_sequences/Deepfakes/c23/videos/071_054.mp4    target_source

    Of a video that is not in videos/, frames are read: images/071_054/0000.png or frames/071_054/131.png, with the
    number in the name as the number of the frame. A category that is there in other compressions only is an error that
    says so; where categories differ in compression, this is a conflict. The flat re-upload (original/, Deepfakes/, ...)
    is read, too; its compression is the ending of the root's name, else c23. Masks, models, downloaded_videos/ and the
    files of DeepFakeDetection are ignored.

    Official split: train.json, val.json and test.json in splits/, dataset/splits/ or the root, which are not part of
    the download. A pair [a, b] stands for the reals a and b and the fakes a_b and b_a. Known leak: of seven videos of
    the web, clips are in two parts of the split.

    Args:
        root: The dataset's root folder.
        compression: c23, c40, raw (called c0 in some copies and papers; both are read), or all.

    Licence: FaceForensics Terms of Use, on request; non-commercial.
    Source: Rössler et al. 2019, FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV;
    FaceShifter: Li et al. 2020. github.com/ondyari/FaceForensics
    """

    name = "FaceForensics++"
    methods = FFPP
    expected = EXPECTED_FFPP

    def __init__(self, root: str, compression: str = "c23") -> None:
        super().__init__(root, compression)
        self.splits: dict[str, str] = {}  # by the stem of a video

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        clip = CLIP.fullmatch(stem)
        if not clip or real == bool(clip[2]):
            raise Unparsed("not NNN" if real else "not NNN_NNN (target_source)")
        return f"ffpp:{clip[1]}", tuple(f"ffpp:{n}" for n in clip.groups() if n), self.splits.get(stem, "")

    def read_lists(self) -> Iterator[Remark]:
        """Read the JSON files of the official split."""
        self.splits.clear()
        for split in ("train", "val", "test"):
            files = (self.find(*folder, f"{split}.json") for folder in (["splits"], ["dataset", "splits"], []))
            file = next((file for file in files if file and file.is_file()), None)
            pairs = self.read_json(file) if file else []
            for pair in pairs if isinstance(pairs, list) else [pairs]:
                if not (isinstance(pair, list) and len(pair) == 2 and all(_is_clip(clip) for clip in pair)):
                    yield Remark("conflict", f"{split}.json", f"{str(pair)[:80]!r} is not a pair of clips")
                    continue
                a, b = pair
                for stem in (a, b, f"{a}_{b}", f"{b}_{a}"):
                    if (other := self.splits.setdefault(stem, split)) != split:
                        yield Remark("conflict", f"{split}.json", f"{stem} is also in {other}.json, which is kept")


def _is_clip(clip: object) -> bool:
    return isinstance(clip, str) and re.fullmatch("[0-9]{3}", clip) is not None


class DeepFakeDetection(_Family):
    """DeepFakeDetection (DFD): scenes of 28 paid actors with swapped faces; several unnamed models, one category.

    Layout, that of FaceForensics++, whose own files are ignored::

        original_sequences/actors/c23/videos/01__exit_phone_room.mp4
        manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4    target_source

    The real of a fake is its target in its scene; both actors are its identities. There is no official split.

    Args:
        root: The dataset's root folder.
        compression: c23, c40, raw (called c0 in some copies and papers; both are read), or all.

    Licence: FaceForensics Terms of Use, on request; non-commercial.
    Source: Dufour and Gully 2019, Contributing Data to Deepfake Detection Research. github.com/ondyari/FaceForensics
    """

    name = "DeepFakeDetection"
    methods = DFD
    expected = EXPECTED_DFD

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        scene = SCENE.fullmatch(stem)
        if not scene or real == bool(scene[2]):
            raise Unparsed("not NN__scene" if real else "not NN_NN__scene__code (target_source)")
        actors = tuple(f"dfd:{n}" for n in scene.groups()[:2] if n)
        return f"dfd:{scene[1]}__{scene[3]}", actors, ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapters of FaceForensics++ and DeepFakeDetection."""
    return {"FaceForensics++": FaceForensics, "DeepFakeDetection": DeepFakeDetection}
