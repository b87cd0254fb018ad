"""DeeperForensics-1.0."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kce import Clip, KCEError, Remark, Sample, Tree, Unparsed, hookimpl

VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{number}_distortions" for number in (2, 3, 4)),
    "reenact_postprocess",
)
FAKES, STUDIO = "manipulated_videos", "source_videos"
LIST_FOLDERS = (("lists", "splits"), ("lists", "splits", "splits"), ("splits",))
FAKE = re.compile(r"([0-9]{3})_([MW][01][0-9]{2})", re.IGNORECASE)
ACTOR = re.compile(r"[MW][01][0-9]{2}")


class DeeperForensics(Tree):
    """DeeperForensics-1.0: 1000 videos of FaceForensics++ with the faces of 100 paid actors, by DF-VAE.

    Layout::

        manipulated_videos/<variant>/000_M101.mp4      FaceForensics++ target_actor
        source_videos/M101/BlendShape/camera_front/M101_BlendShape_camera_front.mp4
        lists/splits/{train,val,test}.txt              a file name per line, without folder; also in
                                                       lists/splits/splits/ or splits/

    Of a video that is not there, frames are read (manipulated_videos/<variant>/frames/000_M101/131.png).

    The dataset has no real class of its own. Its authors use the 1000 videos of FaceForensics++ at c23 as reals: read
    them as that dataset; identities and groups (ffpp:000) are the same. The studio recordings are genuine, but not
    meant as reals for detection. Each variant has the same 1000 clips; clips of one target have one group.

    Official split: by the lists; a line stands for its file in every variant. A listed file that a variant on disk
    lacks is missing, and a file in no list is extra. Known leak: targets are not split here as in FaceForensics++, so
    training on one and testing on the other needs a check.

    Args:
        root: The dataset's root folder.
        variant: end_to_end, end_to_end_level_1 to _5, end_to_end_random_level, end_to_end_mix_2_distortions (3, 4),
            reenact_postprocess, or all.
        source_videos: Whether to read the actors' studio recordings, as reals.

    Licence: DeeperForensics-1.0 terms of use; non-commercial, no redistribution.
    Source: Jiang et al. 2020, DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery Detection, CVPR.
    github.com/EndlessSora/DeeperForensics-1.0
    """

    name = "DeeperForensics"
    root_names = ("DeeperForensics-1.0", "DeeperForensics")
    root_contains = ((FAKES, STUDIO),)
    media = Tree.pictures | {".mp4"}
    method_count = 1
    licence = "DeeperForensics-1.0 terms of use; non-commercial, no redistribution"

    def __init__(self, root: str, variant: str = "end_to_end", source_videos: bool = False) -> None:
        if variant not in (*VARIANTS, "all"):
            raise KCEError(f"{self.name} has no variant {variant!r}", f"choose one of {', '.join(VARIANTS)}, all")
        super().__init__(root)
        self.variants = VARIANTS if variant == "all" else (variant,)
        self.source_videos = source_videos
        self.expected = {"DeeperForensics_DF-VAE": 1000 * len(self.variants)}
        if source_videos:
            self.expected["DeeperForensics_real"] = 48475
        self.splits: dict[str, str] = {}  # by the stem of the file in lower case

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        top, clip = parts[0].lower(), self.clip(parts)
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        if top == STUDIO:
            return self._studio(parts, clip)
        fake = FAKE.fullmatch(clip.stem)
        if top != FAKES or len(clip.folders) != 2 or parts[1].lower() not in VARIANTS:
            raise Unparsed(f"neither in a variant of {FAKES} nor below {STUDIO}")
        if not fake:
            raise Unparsed("not NNN_ANNN.mp4 (target of FaceForensics++, actor)")
        if parts[1].lower() not in self.variants:
            return Remark("ignored", "/".join(parts), f"variant {parts[1]}")
        target, actor = f"ffpp:{fake[1]}", f"deeperforensics:{fake[2].upper()}"
        split = self.splits.get(clip.stem.lower(), "")
        if self.splits and not split:
            self.add_remark("extra", parts, "in no list of a split")
        people = (target, actor)
        return self.sample(parts, "DF-VAE", group=target, identities=people, split=split, frame=clip.frame)

    def _studio(self, parts: tuple[str, ...], clip: Clip) -> Sample | Remark:
        if len(parts) < 3 or not ACTOR.fullmatch(parts[1]) or not clip.stem.startswith(f"{parts[1]}_"):
            raise Unparsed("not a recording in the folder of its actor")
        if not self.source_videos:
            return Remark("ignored", "/".join(parts), "a studio recording; read with source_videos=true")
        actor = f"deeperforensics:{parts[1]}"
        return self.sample(parts, "real", group=actor, identities=(actor,), frame=clip.frame)

    def read_lists(self) -> Iterator[Remark]:
        """Read the lists of the official split."""
        self.splits.clear()
        existing = [self.find(FAKES, variant) for variant in self.variants]
        folders = [folder.relative_to(self.root).parts for folder in existing if folder]
        if not folders and len(self.variants) == 1:  # a variant that was named and does not exist is missing
            folders = [(FAKES, *self.variants)]
        for split in ("train", "val", "test"):
            file = next((path for folder in LIST_FOLDERS if (path := self.find(*folder, f"{split}.txt"))), None)
            for number, line in self.read_lines(file) if file else ():
                where = f"line {number} of {split}.txt"
                try:
                    name = self.listed_parts(line)[-1]
                    stem = name.removesuffix(".mp4")
                    if not FAKE.fullmatch(stem) or stem == name:
                        raise Unparsed("not NNN_ANNN.mp4")
                    missing = [
                        parts
                        for folder in folders
                        if not self.find_exact(parts := (*folder, name))
                        and not self.find_exact((*folder, "videos", name))
                        and not self.has_frames(folder, stem)
                    ]
                except Unparsed as error:
                    yield Remark("conflict", line[:200], f"{where}: {error}")
                    continue
                if (other := self.splits.setdefault(stem.lower(), split)) != split:
                    yield Remark("conflict", name, f"{where}: also in {other}.txt, which is kept")
                    continue
                yield from (Remark("missing", "/".join(parts), f"named in {where}") for parts in missing)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DeeperForensics-1.0."""
    return {"DeeperForensics": DeeperForensics}
