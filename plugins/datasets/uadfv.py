"""UADFV."""

from __future__ import annotations

import re

from kce import Remark, Sample, Tree, Unparsed, hookimpl

EXPECTED = {"UADFV_real": 49, "UADFV_FakeApp": 49}
VIDEO = re.compile(r"(?:(real)/([0-9]{4})|fake/([0-9]{4})_fake)", re.IGNORECASE)


class UADFV(Tree):
    """UADFV: 49 videos from the web, each with the face swapped once by FakeApp.

    Layout::

        real/0000.mp4
        fake/0000_fake.mp4
        fake/frames/0000_fake/131.png    frames are read where their video is not there

    Each clip counts as one identity. The donor of all fakes is said to be one person, so no split by identity is
    possible; the dataset is used for tests only. No split is published. The landmarks (.mat) of some copies are
    ignored.

    Licence: not known; ask the authors.
    Source: Yang, Li and Lyu 2019, Exposing Deep Fakes Using Inconsistent Head Poses, ICASSP.
    """

    name = "UADFV"
    root_names = ("UADFV",)
    root_contains = (("real", "fake"),)
    media = Tree.pictures | {".mp4"}
    expected = EXPECTED
    licence = "not known; ask the authors"

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """The sample of a video, or of a frame; see ``Tree.parse``."""
        clip = self.clip(parts)
        match = VIDEO.fullmatch("/".join((*clip.folders, clip.stem)))
        if not match:
            raise Unparsed("neither real/NNNN.mp4 nor fake/NNNN_fake.mp4")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        person = f"uadfv:{match[2] or match[3]}"
        method = "real" if match[1] else "FakeApp"
        return self.sample(parts, method, group=person, identities=(person,), frame=clip.frame)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of UADFV."""
    return {"UADFV": UADFV}
