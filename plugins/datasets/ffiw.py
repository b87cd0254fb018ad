"""FFIW-10K."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

METHODS = {"source": "real", "target": "fake"}
SPLITS = ("train", "val", "test")
NUMBER = re.compile(r"(?:(train|val|test)_)?([0-9]{1,12})", re.IGNORECASE)
EXPECTED = {f"FFIW-10K_{method}": 8000 + 250 + 1738 for method in METHODS.values()}  # train, val, test


class FFIW(Tree):
    """FFIW-10K: 10,000 videos of the web with three faces per frame on average, some of them swapped.

    Layout::

        FFIW10K-v1-release/source/train/00000000.mp4         real
        FFIW10K-v1-release/target/train/00000000.mp4         fake
        FFIW10K-v1-release/target_mask/train/00000000.mp4    a video of the mask, ignored

    Of a video that is not there, frames are read (source/train/frames/00000000/131.png).

    A video has the same name in all three folders, and this is the group. The publishers name no method, so the single
    method is called fake; identities are not known. The names are not confirmed by the publishers: those that are not
    numbers are unparsed. The test part is a separate archive, to be unpacked into the same folders: two roots beside
    each other are an error.

    Official split: that of the folder, of a prefix of the name (train_00000000.mp4), or of both; if these disagree, it
    is a conflict, and the video is left out.

    In a fake only some faces are altered, and the label is that of the video: not all faces cut from it are fake.

    Licence: FFIW-10K Terms to Use, by form.
    Source: Zhou et al. 2021, Face Forensics in the Wild, CVPR. github.com/tfzhou/FFIW
    """

    name = "FFIW-10K"
    root_contains = (("source", "target"),)
    media = Tree.pictures | {".mp4"}
    expected = EXPECTED
    licence = "FFIW-10K Terms to Use, by form"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        clip = self.clip(parts)
        folders = [part.lower() for part in clip.folders]
        sides = [folder for folder in folders if folder in METHODS]
        number = NUMBER.fullmatch(clip.stem)
        if len(sides) != 1:
            raise Unparsed("not in one of the folders source and target")
        if not number:
            raise Unparsed("its name is not a number")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        splits = [folder for folder in folders if folder in SPLITS]
        splits += [number[1].lower()] if number[1] else []
        if len(set(splits)) > 1:
            return Remark("conflict", "/".join(parts), f"in {' and in '.join(splits)}; it is left out")
        split = splits[0] if splits else ""
        recording = "_".join(filter(None, (split, number[2])))  # numbers start again in each split
        return self.sample(parts, METHODS[sides[0]], group=f"ffiw:{recording}", split=split, frame=clip.frame)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of FFIW-10K."""
    return {"FFIW-10K": FFIW}
