"""DF-Platter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl

COMPRESSIONS = ("c0", "c23", "c40")
METHODS = {  # folder in lower case -> method
    "real": "real",
    "real_setb": "real",
    "real_setc": "real",
    "seta": "SetA",
    "setb": "SetB",
    "setc": "SetC",
}
FRAMES = re.compile(r"frames_(c0|c23|c40)", re.IGNORECASE)
LIST = re.compile(r"(train|val|test)_.*\.csv", re.IGNORECASE)
FRAME = re.compile(r"[0-9]{1,9}")


class DFPlatter(Tree):
    """DF-Platter: 133,260 videos of Indian faces, with one forged face (set A) or several (sets B and C) in a frame.

    How the videos are laid out after unpacking is not known. What is read is the layout of frames that the authors' own
    training code expects its users to prepare; everything else, videos included, is unparsed::

        frames_C0/{real,real_SetB,real_SetC}/<video>/0001.jpg    also frames_C23/, frames_C40/
        frames_C0/{SetA,SetB,SetC}/<video>/0001.jpg
        csv/test_B_LR_c0.csv                                     path, xmin, ymin, xmax, ymax, label (1 = fake)

    The sets mix FSGAN, FaceShifter and FaceSwap, and no file tells which one made a video, so the set is the method.
    Label 1 in a folder of reals, or label 0 in set A, is a conflict; in sets B and C, unaltered faces in a forged frame
    have label 0. Neither identities nor groups are known.

    Official split: a video has the split of the CSV file that names its frames.

    Args:
        root: The dataset's root folder.
        compression: c0, c23, c40, or all.

    Licence: by form of the authors.
    Source: Narayan et al. 2023, DF-Platter: Multi-Face Heterogeneous Deepfake Dataset, CVPR.
    github.com/thakral-kartik/DF-Platter
    """

    name = "DF-Platter"
    root_names = ("DF-Platter", "DFPlatter")
    root_contains = (("frames_C0", "frames_C23", "frames_C40"),)
    media = Tree.pictures | Tree.videos
    method_count = 3
    licence = "by form of the authors"

    def __init__(self, root: str, compression: str = "all") -> None:
        if compression not in (*COMPRESSIONS, "all"):
            raise KCEError(
                f"{self.name} has no compression {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}, all"
            )
        super().__init__(root)
        self.compressions = COMPRESSIONS if compression == "all" else (compression,)
        self.splits: dict[str, str] = {}  # by the folder of a video

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        compression, method = _compression_and_method(parts)
        if compression not in self.compressions:
            return Remark("ignored", "/".join(parts), f"compression {parts[0]}")
        stem = parts[-1].rpartition(".")[0]
        if not FRAME.fullmatch(stem) or parts[-1][len(stem) :].lower() not in self.pictures:
            raise Unparsed("not a numbered frame")
        return self.sample(parts, method, split=self.splits.get("/".join(parts[:-1]), ""), frame=int(stem))

    def read_lists(self) -> Iterator[Remark]:
        """Read the splits from the CSV files."""
        self.splits.clear()
        folder = self.find("csv")
        for file in sorted(folder.iterdir()) if folder and folder.is_dir() else ():
            match = LIST.fullmatch(file.name)
            if match and (path := self.find("csv", file.name)):
                for number, line in self.read_lines(path):
                    yield from self._read_line(line, f"line {number} of {file.name}", match[1].lower())

    def _read_line(self, line: str, where: str, split: str) -> Iterator[Remark]:
        entry, *rest = line.rsplit(",", 5)
        if entry == "path":
            return
        try:
            parts = self.listed_parts(entry)
            _, method = _compression_and_method(parts)
            exists = self.find_exact(parts)
        except Unparsed as error:
            yield Remark("conflict", line[:200], f"{where}: {error}")
            return
        key, label = "/".join(parts), rest[-1].strip() if len(rest) == 5 else ""
        if label not in ("0", "1"):
            yield Remark("conflict", key, f"{where} has no label 0 or 1")
        elif (label == "1" and method == "real") or (label == "0" and method == "SetA"):
            yield Remark("conflict", key, f"{where} has label {label}, unlike its folder {parts[1]}, which decides")
        if (first := self.splits.setdefault("/".join(parts[:-1]), split)) != split:
            yield Remark("conflict", key, f"{where}: the video is also in {first}, which is kept")
        if not exists:
            yield Remark("missing", key, f"named in {where}")


def _compression_and_method(parts: tuple[str, ...]) -> tuple[str, str]:
    """The compression and the method."""
    top = FRAMES.fullmatch(parts[0])
    if not top or len(parts) != 4 or parts[1].lower() not in METHODS:
        raise Unparsed("not in the folder of a video below frames_C0, frames_C23 or frames_C40 and a set")
    return top[1].lower(), METHODS[parts[1].lower()]


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DF-Platter."""
    return {"DF-Platter": DFPlatter}
