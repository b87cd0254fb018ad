"""DFDC preview."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kce import Clip, Remark, Sample, Tree, Unparsed, hookimpl

LIST = "dataset.json"
METHODS = {"original_videos": "real", "method_a": "method_A", "method_b": "method_B"}  # by folder, in lower case
STEM = re.compile(r"(?:([0-9]+)_)?([0-9]+)_([A-Za-z]+)_[0-9]+")
SPLITS = {"train": "train", "test": "test"}
EXPECTED = {"DFDCPreview_real": 1131}
Video = tuple[str, str]  # method, stem


class DFDCPreview(Tree):
    """DFDC preview: 1131 videos of paid actors, and about 4100 whose faces were swapped by two methods, A and B.

    Layout::

        original_videos/643049/643049_A_001.mp4            person_recording_clip
        method_A/643049/643049_A/1255229_643049_A_001.mp4  donor_target_recording_clip
        method_B/1260311/1260311_C/1255229_1260311_C_001.mp4
        dataset.json                                       path -> label (real or fake), set (train or test), ...

    Names are donor_target, the other way round than in most datasets; identities are given target first. The folders of
    persons may be missing, and there may be a level videos/. Of a video that is not there, frames are read
    (method_A/frames/1255229_643049_A_001/0.png). The method is that of the folder; a label of the list that
    disagrees is a conflict. The group is the target's recording, of which there are several clips.

    Official split: train and test, by the list. There are copies without the videos of method_B and with a shorter
    list.

    Licence: DFDC agreement.
    Source: Dolhansky et al. 2019, The Deepfake Detection Challenge (DFDC) Preview Dataset. ai.meta.com/datasets/dfdc
    """

    name = "DFDCPreview"
    root_names = ("dfdc_preview_set", "DFDCPreview", "DFDC-preview", "DFDCP")
    root_contains = (("original_videos", "method_A", "method_B"),)
    media = Tree.pictures | {".mp4"}
    expected = EXPECTED
    method_count = 2
    licence = "DFDC agreement"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.splits: dict[Video, str] = {}

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        clip = self.clip(parts)
        method, stem = _method_and_stem(clip)
        match = STEM.fullmatch(stem)
        if not match or (method == "real") == bool(match[1]):
            raise Unparsed("not person_X_NNN" if method == "real" else "not donor_target_X_NNN")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        if self.splits and (method, stem) not in self.splits:
            self.add_remark("extra", parts, f"not named in {LIST}")
        donor, target, recording = match.groups()
        return self.sample(
            parts,
            method,
            group=f"dfdcp:{target}_{recording}",
            identities=tuple(f"dfdcp:{person}" for person in (target, donor) if person),
            split=self.splits.get((method, stem), ""),
            frame=clip.frame,
        )

    def read_lists(self) -> Iterator[Remark]:
        """Read dataset.json: the split of each video, and a label to compare with the folder."""
        self.splits.clear()
        file = self.find(LIST)
        content = self.read_json(file) if file else {}
        for entry, facts in content.items() if isinstance(content, dict) else [(LIST, content)]:
            try:
                yield from self._read_entry(entry, facts)
            except Unparsed as error:
                yield Remark("conflict", entry[:200], f"in {LIST}: {error}")

    def _read_entry(self, entry: str, facts: Any) -> Iterator[Remark]:
        parts = self.listed_parts(entry)
        method, stem = video = _method_and_stem(self.clip(parts))
        if not isinstance(facts, dict) or facts.get("label") not in ("real", "fake") or facts.get("set") not in SPLITS:
            raise Unparsed("no label real or fake, or no set train or test")
        if self.splits.setdefault(video, facts["set"]) != facts["set"]:
            yield Remark("conflict", entry, f"{stem} is also in {self.splits[video]} in {LIST}, which is kept")
        if (facts["label"] == "real") != (method == "real"):
            yield Remark("conflict", entry, f"{facts['label']} in {LIST}, unlike its folder, which decides")
        folder, *below, name = parts
        candidates = (
            (folder, *below, name),
            (folder, "videos", *below, name),
            (folder, "videos", name),
            (folder, name),
        )
        frames = any(self.has_frames(path[:-1], stem) for path in candidates)
        if not frames and not any(self.find_exact(path) for path in candidates):
            yield Remark("missing", entry, f"named in {LIST}")


def _method_and_stem(clip: Clip) -> Video:
    """The method and the stem. A stem names person, recording and clip, so the folders between add nothing."""
    folder, *below = clip.folders or ("",)
    levels = below[1:] if below and below[0].lower() == "videos" else below
    stem = clip.stem
    if folder.lower() not in METHODS or len(levels) > 2 or not all(f"_{level}_" in f"_{stem}" for level in levels):
        raise Unparsed("not in original_videos, method_A or method_B in the folders of its target")
    return METHODS[folder.lower()], stem


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of the DFDC preview."""
    return {"DFDCPreview": DFDCPreview}
