"""ForgeryNet: the image set and the video set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from kce import Remark, Sample, Tree, Unparsed, hookimpl

METHODS = {  # number of the folder -> method; the published list calls 10 First Order Motion
    1: "FaceShifter",
    2: "FS-GAN",
    3: "DeepFakes",
    4: "BlendFace",
    5: "MMReplacement",
    6: "DeepFakes-StarGAN-Stack",
    7: "Talking_Head_Video",
    8: "ATVG-Net",
    9: "StarGAN-BlendFace-Stack",
    10: "FOMM",
    11: "StyleGAN2",
    12: "MaskGAN",
    13: "StarGAN2",
    14: "SC-FEGAN",
    15: "DiscoFaceGAN",
}
REALS = range(16, 20)  # RAVDESS, CREMA-D, AVSpeech, VoxCeleb
IDENTITY_REMAINED = (7, 8, *range(10, 16))  # in the other fakes it was replaced
SPLITS = {"training": "train", "validation": "val"}

RELEASE = re.compile(r"(train|val)(?:_perturb|_video)?_release")
NUMBER = re.compile(r"[0-9]{1,2}")
HASH = re.compile(r"[0-9a-fA-F]{32}")
FRAME = re.compile(r"frame([0-9]{1,9})")
VIDEO = re.compile(r"video()")
Parts = tuple[str, ...]


class _ForgeryNet(Tree):
    """What both sets share; they are in one root."""

    root_names = ("ForgeryNet",)
    method_count = 15
    licence = "non-commercial"
    stem: ClassVar[re.Pattern[str]]  # the names of its files
    list_name: ClassVar[str]
    levels: ClassVar[tuple[Parts, ...]]  # folders at which the paths in its lists may start

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._named: dict[Parts, set[int]] = {}  # folder of a list -> hashes of the paths it names, to save memory

    def parse(self, parts: Parts) -> Sample | Remark:
        """See ``Tree.parse``."""
        if parts[0].lower() == "test":
            return Remark("ignored", "/".join(parts), "the labels of the test set are not released")
        number, group, split, frame = _facts(parts, self.stem)
        named = self._named.get(parts[:1], self._named.get(()))
        if named is not None and hash(parts) not in named:
            self.add_remark("extra", parts, f"not named in {self.list_name}")
        return self.sample(parts, METHODS.get(number, "real"), group=f"forgerynet:{group}", split=split, frame=frame)

    def entry(self, line: str) -> tuple[str, list[str]]:
        """The path and the three labels in a line of the list. Raises Unparsed."""
        raise NotImplementedError

    def read_lists(self) -> Iterator[Remark]:
        """Read the lists of both parts."""
        self._named = {}
        for folder in (["Training"], ["Validation"], []):
            file = self.find(*folder, self.list_name)
            starts = [path for level in self.levels if (path := self.find(*folder, *level))]
            above = [path.relative_to(self.root).parts for path in starts]
            named: set[int] = set()
            if file:
                self._named[file.parent.relative_to(self.root).parts] = named
            for number, line in self.read_lines(file) if file else ():
                where = f"line {number} of {'/'.join([*folder, self.list_name])}"
                try:
                    yield from self._read_line(line, where, above, named)
                except Unparsed as error:
                    yield Remark("conflict", line[:200], f"{where}: {error}")

    def _read_line(self, line: str, where: str, above: list[Parts], named: set[int]) -> Iterator[Remark]:
        path, labels = self.entry(line)
        parts = self.listed_parts(path)
        number = _facts(parts, self.stem)[0]
        existing = next((full for top in above if self.find_exact(full := (*top, *parts))), None)
        if existing:
            named.add(hash(existing))
        else:
            yield Remark("missing", path, f"named in {where}")
        if labels != (expected := _labels(number)):
            yield Remark(
                "conflict",
                "/".join(existing or parts),
                f"{where} says {' '.join(labels)}, but folder {number} is {' '.join(expected)}, and the folder decides",
            )


class ForgeryNet(_ForgeryNet):
    """ForgeryNet, the image set: 2.9 million pictures, 15 methods, 4 sources of reals. No identities.

    Layout::

        Training/image/train_release/<1..19>/<hash>/<hash>/frame00019.jpg
        Validation/image/val_perturb_release/<1..19>/<hash>/<hash>/frame00049.jpg
        Training/image_list.txt, Validation/image_list.txt    path, fake 0 1, triple 0 1 2, class 0..15

    The folder image may also be called images, image/images or image2. The number of the folder is the method: 1..15
    fakes, 16..19 reals, which may be one folder less deep. A line of a list that disagrees with its folder is a
    conflict, and the folder decides; in the published lists this holds for the classes of very many lines. A file that
    no line names is a sample and also reported as extra; for this a scan needs about 70 bytes for each line. The group
    is the first hash; the split is that of the folder. Videos, masks and the test set, whose labels are not released,
    are ignored.

    Licence: non-commercial.
    Source: He et al. 2021, ForgeryNet: A Versatile Benchmark for Comprehensive Forgery Analysis, CVPR.
    github.com/yinanhe/ForgeryNet
    """

    name = "ForgeryNet"
    root_contains = (("Training", "Validation"), ("train_release", "val_perturb_release"))
    media = frozenset({".jpg", ".jpeg", ".png"})
    stem = FRAME
    list_name = "image_list.txt"
    levels = (("image",), ("images",), ("image", "images"), ("image2",), ())

    def entry(self, line: str) -> tuple[str, list[str]]:
        """See ``_ForgeryNet.entry``."""
        path, *labels = line.rsplit(maxsplit=3)
        return path, labels


class ForgeryNetVideo(_ForgeryNet):
    """ForgeryNet, the video set: 221,247 videos, 99,630 of them real. No identities.

    Layout::

        Training/video/train_video_release/<1..19>/<hash>/<hash>/video.mp4
        Validation/video/val_video_release/<1..19>/<hash>/<hash>/video.mp4
        Training/video_list.txt, Validation/video_list.txt
            number of segments, path, per segment: start, length, fake 0 1; then fake 0 1, triple 0 1 2, class 0..15

    The folder video may also be called videos. Folders, groups, splits and conflicts are those of the image set (`kce
    show dataset ForgeryNet`), with which the groups are shared. Segments need not cover a clip, and parts of a fake may
    be real; a real with a forged segment is a conflict. The published training list lacks the folders 2 and 8, whose
    clips are fake throughout; they are samples like the others. The published numbers include the test set, whose
    labels are not released.

    Licence: non-commercial.
    Source: He et al. 2021, ForgeryNet: A Versatile Benchmark for Comprehensive Forgery Analysis, CVPR.
    github.com/yinanhe/ForgeryNet
    """

    name = "ForgeryNetVideo"
    method_count = 8
    root_contains = (("Training", "Validation"), ("train_video_release", "val_video_release"))
    media = frozenset({".mp4"})
    stem = VIDEO
    list_name = "video_list.txt"
    levels = (("video",), ("videos",), ("video", "videos"), ())

    def entry(self, line: str) -> tuple[str, list[str]]:
        """See ``_ForgeryNet.entry``."""
        count, path, *numbers = line.split() if len(line.split()) > 1 else ("", line)
        labels = numbers[-3:]
        if not re.fullmatch("[0-9]{1,6}", count) or len(numbers) != 3 * int(count) + 3:
            raise Unparsed("not a number of segments, a path, the segments and three labels")
        if not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
            raise Unparsed("its segments are not numbers")
        if labels[0] == "0" and "1" in numbers[2:-3:3]:
            raise Unparsed("a real with a forged segment")
        return path, labels


def _facts(parts: Parts, names: re.Pattern[str]) -> tuple[int, str, str, int | None]:
    """The number of the folder, the first hash, the split, and the number of the frame, if it has one."""
    *above, name = parts
    stem = name.rpartition(".")[0]
    hashes = []
    while above and HASH.fullmatch(above[-1]):
        hashes.append(above.pop())
    number = int(above[-1]) if above and NUMBER.fullmatch(above[-1]) else 0
    match = names.fullmatch(stem)
    if number not in METHODS and number not in REALS:
        raise Unparsed("not in a folder numbered 1 to 19")
    if len(hashes) != 2 and not (len(hashes) == 1 and number in REALS):
        raise Unparsed("not in two nested folders named by hashes")
    if not match and not (len(hashes) == 1 and HASH.fullmatch(stem)):
        raise Unparsed("not a numbered frame" if names is FRAME else "not called video")
    return number, hashes[-1].lower(), _split(above[:-1]), int(match[1]) if match and match[1] else None


def _split(above: list[str]) -> str:
    for part in reversed(above):
        if release := RELEASE.fullmatch(part.lower()):
            return release[1]
        if part.lower() in SPLITS:
            return SPLITS[part.lower()]
    raise Unparsed("neither below Training nor below Validation")


def _labels(number: int) -> list[str]:
    """The labels of a file in the folder with this number: fake, triple, class."""
    if number in REALS:
        return ["0", "0", "0"]
    return ["1", "1" if number in IDENTITY_REMAINED else "2", str(number)]


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapters of the image set and the video set."""
    return {"ForgeryNet": ForgeryNet, "ForgeryNetVideo": ForgeryNetVideo}
