"""ForgeryNet, the image set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kce import Remark, Sample, Tree, Unparsed, hookimpl

METHODS = {  # folder number -> method; the ids of the published list, which calls 10 First Order Motion
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
REMAINED = (7, 8, *range(10, 16))  # the identity remained; in the other fakes it was replaced
SPLITS = {"training": "train", "validation": "val"}
IMAGES = (("image",), ("images",), ("image", "images"), ("image2",), ())

RELEASE = re.compile(r"(train|val)(?:_perturb)?_release")
NUMBER = re.compile(r"[0-9]{1,2}")
HASH = re.compile(r"[0-9a-fA-F]{32}")
FRAME = re.compile(r"frame([0-9]{1,9})")


class ForgeryNet(Tree):
    """ForgeryNet, the image set: 2.9 million pictures, 15 methods, 4 sources of reals. No identities.

    The tree:  Training/image/train_release/<1..19>/<hash>/<hash>/frame00019.jpg
               Validation/image/val_perturb_release/<1..19>/<hash>/<hash>/frame00049.jpg
               Training/image_list.txt, Validation/image_list.txt:  path, fake 0 1, triple 0 1 2, class 0..15
    The folder image may also be images, image/images or image2. The number of the folder is the method: 1..15 fakes,
    16..19 reals, which may lie one folder shallower. A line of a list that disagrees with the folder is a conflict; in
    the published lists the class of very many lines does. The group is the first hash; the split is that of the tree.
    Videos, masks and the test set, whose labels are not released, are ignored.

    Licence: non-commercial.
    Source: He et al. 2021, ForgeryNet: A Versatile Benchmark for Comprehensive Forgery Analysis, CVPR.
    github.com/yinanhe/ForgeryNet
    """

    name = "ForgeryNet"
    aliases = ("ForgeryNet",)
    marks = (("Training", "Validation"), ("train_release", "val_perturb_release"))
    media = frozenset({".jpg", ".jpeg", ".png"})
    licence = "non-commercial"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        if parts[0].lower() == "test":
            return Remark("ignored", "/".join(parts), "labels of the test set are not released")
        number, group, split, frame = _place(parts)
        return self.sample(parts, METHODS.get(number, "real"), group=f"forgerynet:{group}", split=split, frame=frame)

    def lists(self) -> Iterator[Remark]:
        for folder in (["Training"], ["Validation"], []):
            file = self.find(*folder, "image_list.txt")
            places = [place for level in IMAGES if (place := self.find(*folder, *level))]
            above = [place.relative_to(self.root).parts for place in places]
            for number, line in self.lines(file) if file else ():
                where = f"line {number} of {'/'.join([*folder, 'image_list.txt'])}"
                try:
                    yield from self._line(line, where, above)
                except Unparsed as error:
                    yield Remark("conflict", line[:200], f"{where}: {error}")

    def _line(self, line: str, where: str, above: list[tuple[str, ...]]) -> Iterator[Remark]:
        path, *said = line.rsplit(maxsplit=3)
        parts = self.inside(path)
        number = _place(parts)[0]
        there = next((place for top in above if self.locate(place := (*top, *parts))), None)
        if not there:
            yield Remark("missing", path, f"named in {where}")
        if said != (known := _labels(number)):
            yield Remark(
                "conflict",
                "/".join(there or parts),
                f"{where} says {' '.join(said)}, but folder {number} is {' '.join(known)}; the folder is kept",
            )


def _place(parts: tuple[str, ...]) -> tuple[int, str, str, int | None]:
    """The folder's number, the first hash, the split, and the number of the frame."""
    *above, name = parts
    stem = name.rpartition(".")[0]
    hashes = []
    while above and HASH.fullmatch(above[-1]):
        hashes.append(above.pop())
    number = int(above[-1]) if above and NUMBER.fullmatch(above[-1]) else 0
    frame = FRAME.fullmatch(stem)
    if number not in METHODS and number not in REALS:
        raise Unparsed("in no folder numbered 1 to 19")
    if len(hashes) != 2 and not (len(hashes) == 1 and number in REALS):
        raise Unparsed("not below two folders named by hashes")
    if not frame and not (len(hashes) == 1 and HASH.fullmatch(stem)):
        raise Unparsed("not a numbered frame")
    return number, hashes[-1].lower(), _split(above[:-1]), int(frame[1]) if frame else None


def _split(above: list[str]) -> str:
    for part in reversed(above):
        if release := RELEASE.fullmatch(part.lower()):
            return release[1]
        if part.lower() in SPLITS:
            return SPLITS[part.lower()]
    raise Unparsed("neither below Training nor below Validation")


def _labels(number: int) -> list[str]:
    """What a line says of a picture in the folder of this number: fake, triple, class."""
    if number in REALS:
        return ["0", "0", "0"]
    return ["1", "1" if number in REMAINED else "2", str(number)]


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"ForgeryNet": ForgeryNet}
