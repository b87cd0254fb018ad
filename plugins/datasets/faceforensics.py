"""FaceForensics++ and DeepFakeDetection, which share one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl

COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}
HALVES = ("original_sequences", "manipulated_sequences")
MEDIA_FOLDERS = ("videos", "images", "frames")  # the first that is not empty is read: the others were made from it

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

NUMBER = re.compile(r"[0-9]{1,9}")
CLIP = re.compile(r"([0-9]{3})(?:_([0-9]{3}))?")
SCENE = re.compile(r"([0-9]{2})(?:_([0-9]{2}))?__((?:(?!__).)+)(?:__[A-Za-z0-9]{8})?")


class _Location(NamedTuple):
    real: bool
    name: str  # of the method, or of the source of reals
    compression: str
    media: str  # which of MEDIA_FOLDERS
    below: tuple[str, ...]  # the rest of the path


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
        self._media_folders: dict[tuple[str, ...], str] = {}

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        location = self._locate(parts)
        source = (location.real, location.name.lower())
        if source not in BOTH:
            raise Unparsed(f"{location.name} is neither a method nor a source of reals")
        if source not in self.methods:
            return Remark("ignored", "/".join(parts), "of the other dataset in this folder")
        if location.compression.lower() not in COMPRESSIONS:
            raise Unparsed(f"{location.compression} is not one of the compressions {', '.join(COMPRESSIONS)}")
        if COMPRESSIONS[location.compression.lower()] not in self.compressions:
            return Remark("ignored", "/".join(parts), f"compression {location.compression}")
        if location.media.lower() not in MEDIA_FOLDERS:
            raise Unparsed(f"{location.media} is not one of the folders {', '.join(MEDIA_FOLDERS)}")
        if len(parts) > 2 and location.media.lower() != self._media_folder(parts[:3]):
            return Remark("ignored", "/".join(parts), "made from the videos beside it")
        stem, frame = _stem_and_frame(location)
        group, identities, split = self.facts(stem, location.real)
        return self.sample(parts, self.methods[source], group=group, identities=identities, split=split, frame=frame)

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        raise NotImplementedError

    def _locate(self, parts: tuple[str, ...]) -> _Location:
        half = parts[0].lower()
        if half in HALVES and len(parts) > 4:
            return _Location(half == HALVES[0], parts[1], parts[2], parts[3], parts[4:])
        if half not in HALVES and len(parts) == 2:
            real = half == "original"
            ending = self.root.name.rpartition("_")[2].lower()
            compression = ending if ending in COMPRESSIONS else "c23"  # what the flat re-upload was made from
            return _Location(real, "youtube" if real else half, compression, MEDIA_FOLDERS[0], parts[1:])
        raise Unparsed("not in a folder of the published layout")

    def _media_folder(self, folders: tuple[str, ...]) -> str:
        if folders not in self._media_folders:
            existing = {name: self.find(*folders, name) for name in MEDIA_FOLDERS}
            full = [name for name, folder in existing.items() if folder and any(folder.iterdir())]
            self._media_folders[folders] = full[0] if full else ""
        return self._media_folders[folders]


def _stem_and_frame(location: _Location) -> tuple[str, int | None]:
    stem, _, suffix = location.below[-1].rpartition(".")
    video = suffix.lower() == "mp4"
    if location.media.lower() == MEDIA_FOLDERS[0]:
        if len(location.below) == 1 and video:
            return stem, None
        raise Unparsed("not a video directly in its folder")
    if len(location.below) == 2 and not video and NUMBER.fullmatch(stem):
        return location.below[0], int(stem)
    raise Unparsed("not a numbered frame in the folder of its video")


class FaceForensics(_Family):
    """FaceForensics++: 1000 videos from the web, each forged by five methods. One identity per clip.

    Layout::

        original_sequences/youtube/c23/videos/071.mp4
        manipulated_sequences/Deepfakes/c23/videos/071_054.mp4    target_source

    In a folder without videos/, frames are read: images/071_054/0000.png or frames/071_054/131.png, with the number in
    the name as the number of the frame. The flat re-upload (original/, Deepfakes/, ...) is read, too; its compression
    is the ending of the root's name, else c23. Masks, models and the files of DeepFakeDetection are ignored.

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
