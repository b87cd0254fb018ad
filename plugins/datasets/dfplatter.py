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
TOP = re.compile(r"frames_(c0|c23|c40)", re.IGNORECASE)
LIST = re.compile(r"(train|val|test)_.*\.csv", re.IGNORECASE)
FRAME = re.compile(r"[0-9]{1,9}")


class DFPlatter(Tree):
    """DF-Platter: 133,260 videos of Indian faces, one forged (set A) or several (sets B and C) in a frame.

    compression: c0, c23, c40, or all (the default)

    How the videos are laid out when unpacked is not known. Read is the tree of frames that the authors' own training
    expects its users to make, and nothing else; what lies elsewhere, videos too, is named and not guessed at:
        frames_C0/{real,real_SetB,real_SetC}/<video>/0001.jpg, frames_C0/{SetA,SetB,SetC}/<video>/0001.jpg, frames_C23/
        csv/test_B_LR_c0.csv:  path, xmin, ymin, xmax, ymax, label (1 fake)
    The sets mix FSGAN, FaceShifter and FaceSwap, and no file says which made a video, so that the set is the method.
    The split of a video is that of the csv that names its frames. A line with label 1 in a folder of reals is a
    conflict, as is one with label 0 in set A; in sets B and C faces left as they were have label 0 in a forged frame.
    Neither identities nor groups are known.

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
        self.wanted = COMPRESSIONS if compression == "all" else (compression,)
        self.splits: dict[str, str] = {}  # by the folder of a video

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        compression, method = _place(parts)
        if compression not in self.wanted:
            return Remark("ignored", "/".join(parts), f"compression {parts[0]}")
        stem = parts[-1].rpartition(".")[0]
        if not FRAME.fullmatch(stem) or parts[-1][len(stem) :].lower() not in self.pictures:
            raise Unparsed("not a numbered frame")
        return self.sample(parts, method, split=self.splits.get("/".join(parts[:-1]), ""), frame=int(stem))

    def read_lists(self) -> Iterator[Remark]:
        self.splits.clear()
        folder = self.find("csv")
        for file in sorted(folder.iterdir()) if folder and folder.is_dir() else ():
            found = LIST.fullmatch(file.name)
            if found and (path := self.find("csv", file.name)):
                for number, line in self.read_lines(path):
                    yield from self._line(line, f"line {number} of {file.name}", found[1].lower())

    def _line(self, line: str, where: str, split: str) -> Iterator[Remark]:
        entry, *rest = line.rsplit(",", 5)
        if entry == "path":
            return
        try:
            parts = self.listed_parts(entry)
            _, method = _place(parts)
            there = self.find_exact(parts)
        except Unparsed as error:
            yield Remark("conflict", line[:200], f"{where}: {error}")
            return
        key, label = "/".join(parts), rest[-1].strip() if len(rest) == 5 else ""
        if label not in ("0", "1"):
            yield Remark("conflict", key, f"{where} has no label 0 or 1")
        elif (label == "1" and method == "real") or (label == "0" and method == "SetA"):
            yield Remark("conflict", key, f"{where} says {label}; its folder {parts[1]} is kept")
        if (first := self.splits.setdefault("/".join(parts[:-1]), split)) != split:
            yield Remark("conflict", key, f"{where}: the video is also of {first}, which is kept")
        if not there:
            yield Remark("missing", key, f"named in {where}")


def _place(parts: tuple[str, ...]) -> tuple[str, str]:
    """The compression and the method."""
    top = TOP.fullmatch(parts[0])
    if not top or len(parts) != 4 or parts[1].lower() not in METHODS:
        raise Unparsed("not in the folder of a video below frames_C0, frames_C23 or frames_C40 and a set")
    return top[1].lower(), METHODS[parts[1].lower()]


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"DF-Platter": DFPlatter}
