"""FaceForensics++ and DeepFakeDetection, which share one folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
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


class _Folder(NamedTuple):
    """What the folder of a video, or of its frames, says."""

    real: bool
    method: str
    compression: str
    has_videos: bool
    ignored: str  # why its files are not samples; empty = they are


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
        self._read_folder = lru_cache(maxsize=64)(self._interpret)  # one folder has many frames
        self._files: Counter[tuple[str, str]] = Counter()  # of each method and compression

    def __iter__(self) -> Iterator[Sample | Remark]:
        self._files.clear()
        yield from super().__iter__()
        yield from self._other_compressions()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        folder = self._read_folder(parts[:-1])
        if folder.method:
            self._files[folder.method, folder.compression] += 1
        if folder.ignored:
            return Remark("ignored", "/".join(parts), folder.ignored)
        clip = self.clip(parts)
        if folder.has_videos != (clip.frame is None):
            raise Unparsed("neither a video in its folder nor a frame in the folder of its video")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        group, identities, split = self.facts(clip.stem, folder.real)
        return self.sample(parts, folder.method, group=group, identities=identities, split=split, frame=clip.frame)

    def _interpret(self, folders: tuple[str, ...]) -> _Folder:
        if folders and folders[0].lower() in DOWNLOADS:
            return _Folder(True, "", "", True, "a video from the web, of which the reals are cuts")
        real, name, written, has_videos = self._locate(folders)
        source = (real, name.lower())
        if source not in BOTH:
            raise Unparsed(f"{name} is neither a method nor a source of reals")
        if source not in self.methods:
            return _Folder(real, "", "", has_videos, "of the other dataset in this folder")
        if written.lower() not in COMPRESSIONS:
            raise Unparsed(f"{written} is not one of the compressions {', '.join(COMPRESSIONS)}")
        compression = COMPRESSIONS[written.lower()]
        ignored = "" if compression in self.compressions else f"compression {written}"
        return _Folder(real, self.methods[source], compression, has_videos, ignored)

    def _other_compressions(self) -> Iterator[Remark]:
        """What is said of categories that are there in other compressions than others, or than what is read."""
        found: dict[str, dict[str, int]] = {}  # category -> compression -> number of files
        for (method, compression), files in self._files.items():
            found.setdefault(f"{self.name}_{method}", {})[compression] = files
        lost = {category: there for category, there in found.items() if not self.compressions & there.keys()}
        read = ", ".join(sorted(self.compressions))
        for category, there in lost.items():
            others = ", ".join(sorted(there))
            wanted = others if len(there) == 1 else "all"
            yield FolderRemark(
                "ignored",
                category.removeprefix(f"{self.name}_"),
                f"it is there in compression {others}, not in {read}",
                f"`{self.name}:compression={wanted}` reads it, `{self.name}:compression=all` reads all",
                category,
                sum(there.values()),
            )
        by_compression: dict[str, list[str]] = {}
        for category, there in found.items():
            by_compression.setdefault(" and ".join(sorted(self.compressions & there.keys())), []).append(category)
        if len(by_compression) > 1 and not lost:
            what = "; ".join(f"{', '.join(names)} in {where}" for where, names in sorted(by_compression.items()))
            yield Remark("conflict", self.name, f"{what}: a network can tell these apart by their compression")

    def facts(self, stem: str, real: bool) -> tuple[str, tuple[str, ...], str]:
        """Group, identities and split, from the name of a video."""
        raise NotImplementedError

    def _locate(self, folders: tuple[str, ...]) -> tuple[bool, str, str, bool]:
        """Whether it is a real, the folder of the method, that of the compression, and whether it holds videos."""
        half = folders[0].lower() if folders else ""
        if half in HALVES and len(folders) > 3:
            media = folders[3].lower()
            if media not in MEDIA_FOLDERS:
                raise Unparsed(f"{folders[3]} is not one of the folders {', '.join(MEDIA_FOLDERS)}")
            has_videos = media == MEDIA_FOLDERS[0]
            if len(folders) != (4 if has_videos else 5):
                raise Unparsed("neither a video directly in its folder nor a frame in the folder of its video")
            return half == HALVES[0], folders[1], folders[2], has_videos
        if half not in HALVES and len(folders) == 1:
            real = half == "original"
            ending = self.root.name.rpartition("_")[2].lower()
            compression = ending if ending in COMPRESSIONS else "c23"  # what the flat re-upload was made from
            return real, "youtube" if real else half, compression, True
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
