"""FFIW-10K."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

METHODS = {"source": "real", "target": "fake"}
SPLITS = ("train", "val", "test")
NUMBER = re.compile(r"(?:(train|val|test)_)?([0-9]{1,12})", re.IGNORECASE)
EXPECTED = {f"FFIW-10K_{method}": 8000 + 250 + 1738 for method in METHODS.values()}  # train, val, test


class FFIW(Tree):
    """FFIW-10K: 10,000 videos of the web with three faces in a frame on average, some of them swapped.

    The tree:  FFIW10K-v1-release/source/train/00000000.mp4        (real)
               FFIW10K-v1-release/target/train/00000000.mp4        (fake)
               FFIW10K-v1-release/target_mask/train/00000000.mp4   (a video of the mask, ignored)
    A video has the same name in all three, and this is the group. The split is that of the folder, of a prefix of the
    name (train_00000000.mp4), or of both; a name and a folder that disagree are a conflict, and the video is left out.
    The test part is an archive of its own, to be unpacked into the same folders: of two roots side by side none is
    chosen. The names are not confirmed by the
    publishers: one that is no number is told. The publishers name no method, so the one method is called fake; who is
    seen is not known.

    Only some faces of a fake are altered, and the label is that of the video: faces cut from it are not all fake.

    Licence: FFIW-10K Terms to Use, by form.
    Source: Zhou et al. 2021, Face Forensics in the Wild, CVPR. github.com/tfzhou/FFIW
    """

    name = "FFIW-10K"
    root_contains = (("source", "target"),)
    media = frozenset({".mp4"})
    expected = EXPECTED
    licence = "FFIW-10K Terms to Use, by form"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        folders = [part.lower() for part in parts[:-1]]
        sides = [folder for folder in folders if folder in METHODS]
        number = NUMBER.fullmatch(parts[-1].rpartition(".")[0])
        if len(sides) != 1:
            raise Unparsed("in no folder source or target")
        if not number:
            raise Unparsed("its name is no number")
        splits = [folder for folder in folders if folder in SPLITS]
        splits += [number[1].lower()] if number[1] else []
        if len(set(splits)) > 1:
            return Remark("conflict", "/".join(parts), f"of {' and of '.join(splits)}; it is left out")
        split = splits[0] if splits else ""
        recording = "_".join(filter(None, (split, number[2])))  # numbers start anew in each part
        return self.sample(parts, METHODS[sides[0]], group=f"ffiw:{recording}", split=split)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"FFIW-10K": FFIW}
