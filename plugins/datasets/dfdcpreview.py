"""DFDC preview."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kce import Remark, Sample, Tree, Unparsed, hookimpl

LIST = "dataset.json"
METHODS = {"original_videos": "real", "method_a": "method_A", "method_b": "method_B"}  # by folder, in lower case
STEM = re.compile(r"(?:([0-9]+)_)?([0-9]+)_([A-Za-z]+)_[0-9]+")
SPLITS = {"train": "train", "test": "test"}
EXPECTED = {"DFDCPreview_real": 1131}
Place = tuple[str, str]


class DFDCPreview(Tree):
    """DFDC preview: 1131 videos of paid actors, and some 4100 with the face swapped by two methods, A and B.

    The tree:  original_videos/643049/643049_A_001.mp4          (person, recording, clip)
               method_A/643049/643049_A/1255229_643049_A_001.mp4
               method_B/1260311/1260311_C/1255229_1260311_C_001.mp4
               dataset.json: path -> label (real or fake), set (train or test) and more
    Names are donor_target: the other way round than in most datasets. Identities are given target first. Folders of
    persons may be left out and a level videos/ may be there. The folder is the method; the list's label is compared
    with it, and what disagrees is a conflict. The group is the target's recording, of which there are several clips.
    Official split: train and test, by the list. Copies without the videos of method_B, and with a shorter list, exist.

    Licence: DFDC agreement.
    Source: Dolhansky et al. 2019, The Deepfake Detection Challenge (DFDC) Preview Dataset. ai.meta.com/datasets/dfdc
    """

    name = "DFDCPreview"
    root_names = ("dfdc_preview_set", "DFDCPreview", "DFDC-preview", "DFDCP")
    root_contains = (("original_videos", "method_A", "method_B"),)
    media = frozenset({".mp4"})
    expected = EXPECTED
    method_count = 2
    licence = "DFDC agreement"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.splits: dict[Place, str] = {}

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        method, stem = _place(parts)
        found = STEM.fullmatch(stem)
        if not found or (method == "real") == bool(found[1]):
            raise Unparsed("not person_X_NNN" if method == "real" else "not donor_target_X_NNN")
        if self.splits and (method, stem) not in self.splits:
            self.add_remark("extra", parts, f"not named in {LIST}")
        donor, target, recording = found.groups()
        return self.sample(
            parts,
            method,
            group=f"dfdcp:{target}_{recording}",
            identities=tuple(f"dfdcp:{person}" for person in (target, donor) if person),
            split=self.splits.get((method, stem), ""),
        )

    def read_lists(self) -> Iterator[Remark]:
        self.splits.clear()
        file = self.find(LIST)
        content = self.read_json(file) if file else {}
        for entry, said in content.items() if isinstance(content, dict) else [(LIST, content)]:
            try:
                yield from self._entry(entry, said)
            except Unparsed as error:
                yield Remark("conflict", entry[:200], f"in {LIST}: {error}")

    def _entry(self, entry: str, said: Any) -> Iterator[Remark]:
        parts = self.listed_parts(entry)
        method, stem = place = _place(parts)
        if not isinstance(said, dict) or said.get("label") not in ("real", "fake") or said.get("set") not in SPLITS:
            raise Unparsed("says not whether it is real or fake, or train or test")
        if self.splits.setdefault(place, said["set"]) != said["set"]:
            yield Remark("conflict", entry, f"{stem} is also in {self.splits[place]} in {LIST}, which is kept")
        if (said["label"] == "real") != (method == "real"):
            yield Remark("conflict", entry, f"{said['label']} in {LIST}; its folder is kept")
        folder, *below, name = parts
        places = ((folder, *below, name), (folder, "videos", *below, name), (folder, "videos", name), (folder, name))
        if not any(self.find_exact(somewhere) for somewhere in places):
            yield Remark("missing", entry, f"named in {LIST}")


def _place(parts: tuple[str, ...]) -> Place:
    """Method and stem. A stem names person, recording and clip, so that the folders between say nothing more."""
    folder, *below = parts[:-1] or ("",)
    levels = below[1:] if below and below[0].lower() == "videos" else below
    stem = parts[-1].rpartition(".")[0]
    if folder.lower() not in METHODS or len(levels) > 2 or not all(f"_{level}_" in f"_{stem}" for level in levels):
        raise Unparsed("not below original_videos, method_A or method_B in the folders of its target")
    return METHODS[folder.lower()], stem


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"DFDCPreview": DFDCPreview}
