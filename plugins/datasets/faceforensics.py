"""FaceForensics++ and, in the same tree, DeepFakeDetection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl

COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}
HALVES = ("original_sequences", "manipulated_sequences")
MEDIA_FOLDERS = ("videos", "images", "frames")  # the first that holds anything is read: the others were made from it

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


class _Place(NamedTuple):
    real: bool
    who: str
    compression: str
    media: str  # which of MEDIA_FOLDERS
    rest: tuple[str, ...]  # below it


class _Family(Tree):
    """The tree that both share, and the re-upload of it that is flat."""

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
        self.wanted = set(COMPRESSIONS.values()) if compression == "all" else {COMPRESSIONS[compression]}
        self.expected = {category: n * len(self.wanted) for category, n in self.expected.items()}
        self._media_folders: dict[tuple[str, ...], str] = {}

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        place = self._place(parts)
        known = (place.real, place.who.lower())
        if known not in BOTH:
            raise Unparsed(f"{place.who} is neither a method nor a source of reals")
        if known not in self.methods:
            return Remark("ignored", "/".join(parts), "belongs to the other dataset of this tree")
        if place.compression.lower() not in COMPRESSIONS:
            raise Unparsed(f"{place.compression} is none of the compressions {', '.join(COMPRESSIONS)}")
        if COMPRESSIONS[place.compression.lower()] not in self.wanted:
            return Remark("ignored", "/".join(parts), f"compression {place.compression}")
        if place.media.lower() not in MEDIA_FOLDERS:
            raise Unparsed(f"{place.media} is none of the folders {', '.join(MEDIA_FOLDERS)}")
        if len(parts) > 2 and place.media.lower() != self._media_folder(parts[:3]):
            return Remark("ignored", "/".join(parts), "made from the videos that are there too")
        stem, frame = _stem_and_frame(place)
        group, identities, split = self.facts(stem, place.real)
        return self.sample(parts, self.methods[known], group=group, identities=identities, split=split, frame=frame)

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        raise NotImplementedError

    def _place(self, parts: tuple[str, ...]) -> _Place:
        half = parts[0].lower()
        if half in HALVES and len(parts) > 4:
            return _Place(half == HALVES[0], parts[1], parts[2], parts[3], parts[4:])
        if half not in HALVES and len(parts) == 2:
            real = half == "original"
            ending = self.root.name.rpartition("_")[2].lower()
            compression = ending if ending in COMPRESSIONS else "c23"  # what the flat re-upload was made from
            return _Place(real, "youtube" if real else half, compression, MEDIA_FOLDERS[0], parts[1:])
        raise Unparsed("in no folder of the published tree")

    def _media_folder(self, above: tuple[str, ...]) -> str:
        if above not in self._media_folders:
            found = {name: self.find(*above, name) for name in MEDIA_FOLDERS}
            full = [name for name, folder in found.items() if folder and any(folder.iterdir())]
            self._media_folders[above] = full[0] if full else ""
        return self._media_folders[above]


def _stem_and_frame(place: _Place) -> tuple[str, int | None]:
    stem, _, suffix = place.rest[-1].rpartition(".")
    video = suffix.lower() == "mp4"
    if place.media.lower() == MEDIA_FOLDERS[0]:
        if len(place.rest) == 1 and video:
            return stem, None
        raise Unparsed("not a video right below its folder")
    if len(place.rest) == 2 and not video and NUMBER.fullmatch(stem):
        return place.rest[0], int(stem)
    raise Unparsed("not a numbered frame in the folder of its video")


class FaceForensics(_Family):
    """FaceForensics++: 1000 videos from the web, each forged by five methods. One identity per clip.

    compression: c23 (the default), c40, raw (in some trees and papers called c0; both are read), or all

    The tree:  original_sequences/youtube/c23/videos/071.mp4
               manipulated_sequences/Deepfakes/c23/videos/071_054.mp4    (target_source)
    Where a folder has no videos/, frames are read: images/071_054/0000.png or frames/071_054/131.png; the number in the
    name is kept. The flat re-upload (original/, Deepfakes/, ...) is read too; its compression is the ending of the
    root's name, else c23. Masks, models and the files of DeepFakeDetection are ignored.
    Official split: train.json, val.json, test.json in splits/, dataset/splits/ or the root, which are not part of the
    download. A pair [a, b] stands for the reals a and b and the fakes a_b and b_a.
    Known leak of the official split: seven videos of the web have clips in two parts of it.

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
        clip = CLIP.fullmatch(stem)
        if not clip or real == bool(clip[2]):
            raise Unparsed("not NNN" if real else "not NNN_NNN (target_source)")
        return f"ffpp:{clip[1]}", tuple(f"ffpp:{n}" for n in clip.groups() if n), self.splits.get(stem, "")

    def read_lists(self) -> Iterator[Remark]:
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
    """DeepFakeDetection (DFD): scenes of 28 paid actors, faces swapped; several unnamed models, one category.

    compression: c23 (the default), c40, raw (in some trees and papers called c0; both are read), or all

    The tree, that of FaceForensics++, whose own files are ignored:
        original_sequences/actors/c23/videos/01__exit_phone_room.mp4
        manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4   (target_source)
    The real of a fake is its target in its scene; both actors are its identities. There is no official split.

    Licence: FaceForensics Terms of Use, on request; non-commercial.
    Source: Dufour and Gully 2019, Contributing Data to Deepfake Detection Research. github.com/ondyari/FaceForensics
    """

    name = "DeepFakeDetection"
    methods = DFD
    expected = EXPECTED_DFD

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        scene = SCENE.fullmatch(stem)
        if not scene or real == bool(scene[2]):
            raise Unparsed("not NN__scene" if real else "not NN_NN__scene__code (target_source)")
        actors = tuple(f"dfd:{n}" for n in scene.groups()[:2] if n)
        return f"dfd:{scene[1]}__{scene[3]}", actors, ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"FaceForensics++": FaceForensics, "DeepFakeDetection": DeepFakeDetection}
