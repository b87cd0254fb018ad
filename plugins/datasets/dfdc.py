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
FOLDER = re.compile(rf"(?:(?:train/)?{PART}(?:/{PART})?|(validation|test)(?:/[^/._][^/]*){{0,2}})", re.IGNORECASE)
SEARCHED = re.compile(rf"train|{FOLDER.pattern}", re.IGNORECASE)  # folders that may contain lists
LIST = re.compile(r"metadata\.json|[^.].*\.csv", re.IGNORECASE)
SPLITS = {"": "train", "validation": "val", "test": "test"}
VIDEO = re.compile(r"([^/\\\0]{1,100})\.mp4", re.IGNORECASE)
REAL = {"REAL": True, "FAKE": False, "0": True, "1": False}
Parts = tuple[str, ...]


class _Label(NamedTuple):
    real: bool
    original: str  # stem of the video it was made from; empty = unknown
    source: str  # the list with this label


class DFDC(Tree):
    """DFDC, the DeepFake Detection Challenge: 128,154 videos, forged by several undisclosed methods.

    Layout::

        dfdc_train_part_0/ ... dfdc_train_part_49/   also below train/: metadata.json, aaqaifqrwn.mp4, ...
        validation/, test/                           up to two levels deep: videos, and labels.csv (filename,label) or
                                                     metadata.json

    The folders of the parts may have padded numbers (like their zips) and contain a folder of the same name. In the
    metadata.json of a part, a video is REAL, or FAKE with its original; in other lists a label is 0 for a real and 1
    for a fake. The label of a video is that of the lists in its folder and above. A video that no list names is
    unparsed; one on which two lists disagree is a conflict and not a sample. The group is the original, which need not
    be on disk; identities are not published. In some fakes only the voice is forged.

    Official split: by folder: train (the column of the list says train for everything), val, test. Published for train:
    119,154 videos, 19,154 of them real; for validation and test only the totals, 4,000 and 5,000.

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
        self.labels: dict[Parts, dict[str, list[_Label]]] = {}  # folder -> file -> labels of the lists in it

    def parse(self, parts: Parts) -> Sample | Remark:
        """See ``Tree.parse``."""
        split, video = _split(parts[:-1]), VIDEO.fullmatch(parts[-1])
        if not split or not video:
            raise Unparsed("neither in a part of train nor below validation or test")
        labels = [label for n in range(len(parts)) for label in self.labels.get(parts[:n], {}).get(parts[-1], ())]
        if not labels:
            raise Unparsed("no list names it, so its label is unknown")
        if len({label.real for label in labels}) > 1:
            reason = " but ".join(f"{'real' if label.real else 'fake'} in {label.source}" for label in labels)
            return Remark("conflict", "/".join(parts), f"{reason}; it is left out")
        original = video[1] if labels[0].real else next((label.original for label in labels if label.original), "")
        return self.sample(
            parts,
            "real" if labels[0].real else self.name,
            group=f"dfdc:{original}" if original else "",
            split=split,
        )

    def read_lists(self) -> Iterator[Remark]:
        """Read the labels, which are in a list in each folder."""
        self.labels = {}
        videos_in: list[tuple[Parts, set[str]]] = []
        for path, folders, names in os.walk(self.root):  # does not follow links
            folder = Path(path).relative_to(self.root).parts
            folders[:] = sorted(name for name in folders if SEARCHED.fullmatch("/".join((*folder, name))))
            videos_in.append((folder, {name for name in names if VIDEO.fullmatch(name)}))
            for name in sorted(name for name in names if LIST.fullmatch(name)):
                yield from self._read_list((*folder, name))
        missing = {folder: set(files) for folder, files in self.labels.items()}
        for folder, videos in videos_in:
            for n in range(len(folder) + 1):
                missing.get(folder[:n], set()).difference_update(videos)
        for folder, remaining in missing.items():
            for name in sorted(remaining):
                yield Remark("missing", "/".join((*folder, name)), f"named in {self.labels[folder][name][0].source}")

    def _read_list(self, parts: Parts) -> Iterator[Remark]:
        source = "/".join(parts)
        try:
            file = self.find(*parts)
            rows = self._rows(file) if file else ()
            for name, real, original in rows:
                if not VIDEO.fullmatch(str(name)) or real not in REAL or not VIDEO.fullmatch(original or "no.mp4"):
                    yield Remark("conflict", source, f"{str((name, real, original))[:120]} is not a video with a label")
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
            label = row.get("label", row.get("is_fake")) if isinstance(row, dict) else row
            original = row.get("original") if isinstance(row, dict) else None
            yield name, str(label).upper(), str(original or "")


@lru_cache(maxsize=64)
def _split(folders: Parts) -> str:
    match = FOLDER.fullmatch("/".join(folders))
    return SPLITS[(match[1] or "").lower()] if match else ""


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DFDC."""
    return {"DFDC": DFDC}
