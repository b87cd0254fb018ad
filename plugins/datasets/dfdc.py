"""DFDC, the full set."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kce import BadData, Remark, Sample, Tree, Unparsed, hookimpl

PART = r"dfdc_train_part_[0-9]{1,2}"
PLACE = re.compile(rf"(?:(?:train/)?{PART}(?:/{PART})?|(validation|test)(?:/[^/._][^/]*){{0,2}})", re.IGNORECASE)
LISTED = re.compile(rf"train|{PLACE.pattern}", re.IGNORECASE)  # folders in which lists are looked for
LIST = re.compile(r"metadata\.json|[^.].*\.csv", re.IGNORECASE)
SPLITS = {"": "train", "validation": "val", "test": "test"}
VIDEO = re.compile(r"([^/\\\0]{1,100})\.mp4", re.IGNORECASE)
REAL = {"REAL": True, "FAKE": False, "0": True, "1": False}
Parts = tuple[str, ...]


class _Label(NamedTuple):
    real: bool
    original: str  # stem of the video it was made from; empty = not said
    source: str  # the list that says so


class DFDC(Tree):
    """DFDC, the DeepFake Detection Challenge: 128,154 videos, forged by several methods that are not told.

    The tree:  dfdc_train_part_0/ ... dfdc_train_part_49/, below train/ or not:  metadata.json, aaqaifqrwn.mp4
               validation/, test/, up to two levels deep:  videos, labels.csv (filename,label) or metadata.json
    The folders of the parts may have padded numbers (as their zips) and hold one of the same name. In metadata.json of
    a part a video is REAL, or FAKE with its original; elsewhere a label is 0 for a real and 1 for a fake. The label of
    a video is what the lists in its folder and above say. A video that no list names is unparsed; one that two lists
    disagree about is a conflict and no sample. The group is the original, which may not be there; no identities are
    published. Some fakes have a forged voice only.
    Published for train: 119,154 videos, 19,154 of them real; for validation and test only 4,000 and 5,000 in all.
    Official split: by folder: train (the list's own column says train of everything), val, test.

    Licence: DFDC agreement.
    Source: Dolhansky et al. 2020, The DeepFake Detection Challenge (DFDC) Dataset. ai.meta.com/datasets/dfdc
    """

    name = "DFDC"
    root_names = ("DFDC", "dfdc_train_all")
    excluded_root_names = ("dfdc_preview_set", "DFDCP", "DFDC-preview")
    root_contains = (
        (
            *dict.fromkeys(f"dfdc_train_part_{n:0{width}}" for width in (1, 2) for n in range(50)),
            *("train", "validation", "test"),
        ),
    )
    media = frozenset({".mp4"})
    method_count = 1
    licence = "DFDC agreement"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.labels: dict[Parts, dict[str, list[_Label]]] = {}  # folder -> file -> what the lists there say

    def parse(self, parts: Parts) -> Sample | Remark:
        split, video = _split(parts[:-1]), VIDEO.fullmatch(parts[-1])
        if not split or not video:
            raise Unparsed("in no part of train, and not below validation or test")
        said = [label for n in range(len(parts)) for label in self.labels.get(parts[:n], {}).get(parts[-1], ())]
        if not said:
            raise Unparsed("no list names it, so that its label is not known")
        if len({label.real for label in said}) > 1:
            how = " but ".join(f"{'real' if label.real else 'fake'} in {label.source}" for label in said)
            return Remark("conflict", "/".join(parts), f"{how}; neither is believed")
        original = video[1] if said[0].real else next((label.original for label in said if label.original), "")
        return self.sample(
            parts,
            "real" if said[0].real else self.name,
            group=f"dfdc:{original}" if original else "",
            split=split,
        )

    def read_lists(self) -> Iterator[Remark]:
        self.labels = {}
        found: list[tuple[Parts, set[str]]] = []
        for here, folders, names in os.walk(self.root):  # follows no links
            folder = Path(here).relative_to(self.root).parts
            folders[:] = sorted(name for name in folders if LISTED.fullmatch("/".join((*folder, name))))
            found.append((folder, {name for name in names if VIDEO.fullmatch(name)}))
            for name in sorted(name for name in names if LIST.fullmatch(name)):
                yield from self._list((*folder, name))
        missing = {folder: set(files) for folder, files in self.labels.items()}
        for folder, videos in found:
            for n in range(len(folder) + 1):
                missing.get(folder[:n], set()).difference_update(videos)
        for folder, left in missing.items():
            for name in sorted(left):
                yield Remark("missing", "/".join((*folder, name)), f"named in {self.labels[folder][name][0].source}")

    def _list(self, parts: Parts) -> Iterator[Remark]:
        source = "/".join(parts)
        try:
            file = self.find(*parts)
            rows = self._rows(file) if file else ()
            for name, real, original in rows:
                if not VIDEO.fullmatch(str(name)) or real not in REAL or not VIDEO.fullmatch(original or "no.mp4"):
                    yield Remark("conflict", source, f"{str((name, real, original))[:120]} is no video with its label")
                    continue
                label = _Label(REAL[real], original.rpartition(".")[0], source)
                self.labels.setdefault(parts[:-1], {}).setdefault(name, []).append(label)
        except BadData as error:
            yield Remark("conflict", source, error.message)

    def _rows(self, file: Path) -> Iterator[tuple[Any, str, str]]:
        """File, label and original of each row of a list."""
        if file.suffix.lower() == ".csv":
            rows = csv.DictReader(text for _, text in self.read_lines(file))
            if {"filename", "label"} <= set(rows.fieldnames or ()):
                yield from ((row["filename"], str(row["label"]).upper(), "") for row in rows)
            return
        content = self.read_json(file)
        for name, row in content.items() if isinstance(content, dict) else [(content, {})]:
            said = row.get("label", row.get("is_fake")) if isinstance(row, dict) else row
            original = row.get("original") if isinstance(row, dict) else None
            yield name, str(said).upper(), str(original or "")


@lru_cache(maxsize=64)
def _split(folders: Parts) -> str:
    place = PLACE.fullmatch("/".join(folders))
    return SPLITS[(place[1] or "").lower()] if place else ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"DFDC": DFDC}
