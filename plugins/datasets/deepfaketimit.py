"""DeepfakeTIMIT, and VidTIMIT with its reals."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl

QUALITIES = ("higher_quality", "lower_quality")
DEMO = re.compile(r"[a-z]{4}[0-9]-original\.mov")
SUBJECT = re.compile(r"[fm][a-z]{3}[0-9]")
FAKE = re.compile(r"([a-z]+[0-9]*)-video-([fm][a-z]{3}[0-9])\.avi")
FRAME = re.compile(r"(?:[^/.][^/]*/){0,2}([fm][a-z]{3}[0-9])/video/([a-z]+[0-9]*)/([0-9]{1,9})")
REALS = "VidTIMIT"


class DeepfakeTIMIT(Tree):
    """DeepfakeTIMIT: 32 people of VidTIMIT, in 16 pairs, with faces swapped by FaceSwap-GAN in two qualities.

    Layout::

        higher_quality/fadg0/sa1-video-fram1.avi   the target's folder, sentence, donor; the same in lower_quality/
        VidTIMIT/fadg0/video/sa1/001               JPEG frames without a suffix; not confirmed by the publishers

    The group is the target's recording (vidtimit:fadg0/sa1), one for both qualities and the real. Sound, and the two
    original recordings shown beside the qualities, are ignored. There is no official split.

    Args:
        root: The dataset's root folder.
        quality: higher_quality (128 px models), lower_quality (64 px), or all.
        vidtimit: The folder of VidTIMIT, a separate download with the reals. Empty: VidTIMIT/ in the root if it exists,
            else there are no reals.

    Licence: Idiap EULA; research only.
    Source: Korshunov and Marcel 2018, DeepFakes: a New Threat to Face Recognition? Assessment and Detection.
    idiap.ch/en/dataset/deepfaketimit; reals: Sanderson and Lovell 2009, conradsanderson.id.au/vidtimit
    """

    name = "DeepfakeTIMIT"
    root_names = ("DeepfakeTIMIT", "DF-TIMIT")
    root_contains = (QUALITIES,)
    media = frozenset({".avi", ".mov"})
    method_count = 1
    licence = "Idiap EULA; research only"

    def __init__(self, root: str, quality: str = "all", vidtimit: str = "") -> None:
        if quality not in (*QUALITIES, "all"):
            raise KCEError(f"{self.name} has no quality {quality!r}", f"choose one of {', '.join(QUALITIES)}, all")
        super().__init__(root)
        self.qualities = QUALITIES if quality == "all" else (quality,)
        self.expected = {"DeepfakeTIMIT_FaceSwap-GAN": 320 * len(self.qualities)}
        folder = Path(vidtimit) if vidtimit else self.find(REALS)
        self.reals = _VidTIMIT(folder) if folder else None
        inner = os.path.relpath(os.path.realpath(folder), os.path.realpath(self.root)) if folder else os.pardir
        self._inner = "" if inner.startswith(os.pardir) else f"{Path(inner).as_posix()}/"

    def __iter__(self) -> Iterator[Sample | Remark]:
        for item in super().__iter__():
            path = item.path if isinstance(item, Remark) else item.key
            if not (self._inner and path.startswith(self._inner)):  # VidTIMIT in the root, which is read below
                yield item
        yield from self.reals or ()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if len(parts) == 1 and DEMO.fullmatch(parts[0]):
            return Remark("ignored", parts[0], "an original shown as an example")
        if len(parts) != 3 or parts[0].lower() not in QUALITIES or not SUBJECT.fullmatch(parts[1]):
            raise Unparsed(f"not in the folder of a person below {' or '.join(QUALITIES)}")
        fake = FAKE.fullmatch(parts[2])
        if not fake:
            raise Unparsed("not sentence-video-donor.avi")
        if parts[0].lower() not in self.qualities:
            return Remark("ignored", "/".join(parts), f"quality {parts[0]}")
        return self.sample(
            parts,
            "FaceSwap-GAN",
            group=f"vidtimit:{parts[1]}/{fake[1]}",
            identities=(f"vidtimit:{parts[1]}", f"vidtimit:{fake[2]}"),
        )


class _VidTIMIT(Tree):
    """The reals. Their frames have no suffix, so the walk ignores every file, and each is looked at again."""

    name = REALS
    media = frozenset()

    def __iter__(self) -> Iterator[Sample | Remark]:
        frames = 0
        for walked in super().__iter__():
            item = self._look_again(walked) if isinstance(walked, Remark) else walked
            frames += isinstance(item, Sample)
            yield item
        if not frames:
            yield Remark("missing", REALS, "without a frame <person>/video/<sentence>/<number>")

    def _look_again(self, remark: Remark) -> Sample | Remark:
        frame = FRAME.fullmatch(remark.path)
        key = f"{REALS}/{remark.path}"
        try:
            path = self.find_exact(tuple(remark.path.split("/"))) if frame else None
        except Unparsed as error:
            return Remark("unparsed", key, str(error))
        if not frame or not path:
            return replace(remark, path=key)
        person, sentence, number = frame.groups()
        group, identities = f"vidtimit:{person}/{sentence}", (f"vidtimit:{person}",)
        return Sample(key, path, DeepfakeTIMIT.name, "real", True, group, identities, frame=int(number))


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DeepfakeTIMIT."""
    return {"DeepfakeTIMIT": DeepfakeTIMIT}
