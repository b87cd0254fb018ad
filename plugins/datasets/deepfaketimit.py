"""DeepfakeTIMIT, and VidTIMIT, which holds its reals."""

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
    """DeepfakeTIMIT: 32 people of VidTIMIT, in 16 pairs, faces swapped by FaceSwap-GAN in two qualities.

    quality   higher_quality (128 px models), lower_quality (64 px), or all (the default)
    vidtimit  the folder of VidTIMIT, which is downloaded apart and holds the reals; empty: VidTIMIT/ in the root, if
              it is there, else no reals

    The tree:  higher_quality/fadg0/sa1-video-fram1.avi   (target's folder, sentence, donor), lower_quality/...
               VidTIMIT/fadg0/video/sa1/001   (jpeg frames without a suffix; not confirmed by the publishers)
    The group is the target's recording (vidtimit:fadg0/sa1), one for both qualities and the real. The two original
    recordings shown beside the qualities are ignored, as sound is. There is no official split.

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
        place = Path(vidtimit) if vidtimit else self.find(REALS)
        self.reals = _VidTIMIT(place) if place else None
        inner = os.path.relpath(os.path.realpath(place), os.path.realpath(self.root)) if place else os.pardir
        self._inner = "" if inner.startswith(os.pardir) else f"{Path(inner).as_posix()}/"

    def __iter__(self) -> Iterator[Sample | Remark]:
        for item in super().__iter__():
            path = item.path if isinstance(item, Remark) else item.key
            if not (self._inner and path.startswith(self._inner)):  # that is VidTIMIT in the root, read below
                yield item
        yield from self.reals or ()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        if len(parts) == 1 and DEMO.fullmatch(parts[0]):
            return Remark("ignored", parts[0], "an original, for show")
        if len(parts) != 3 or parts[0].lower() not in QUALITIES or not SUBJECT.fullmatch(parts[1]):
            raise Unparsed(f"in no folder of a person below {' or '.join(QUALITIES)}")
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
    """The reals. Their frames have no suffix, so that the walk calls every file no medium; each is looked at again."""

    name = REALS
    media = frozenset()

    def __iter__(self) -> Iterator[Sample | Remark]:
        frames = 0
        for found in super().__iter__():
            item = self._look_again(found) if isinstance(found, Remark) else found
            frames += isinstance(item, Sample)
            yield item
        if not frames:
            yield Remark("missing", REALS, "it has no frame <person>/video/<sentence>/<number>")

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
    return {"DeepfakeTIMIT": DeepfakeTIMIT}
