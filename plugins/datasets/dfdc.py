"""DFDC, the full set."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kce import BadData, KCEError, Remark, Sample, Tree, Unparsed, hookimpl

PART = r"dfdc_train_part_[0-9]{1,2}"
FOLDER = re.compile(
    rf"(?:train|(?:train/)?{PART}(?:/{PART})?|train_sample_videos|(validation|test)(?:/[^/._][^/]*){{0,2}}|(test)_videos)",
    re.IGNORECASE,
)
UNLABELLED = "test_videos"  # of which Kaggle ships no labels
SUBMISSION = "sample_submission.csv"  # of Kaggle: a label of 0.5 for each video
LIST = re.compile(r"metadata\.json|[^.].*\.csv", re.IGNORECASE)
LEVELS = ("videos", *Tree.frame_levels)
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
        train_sample_videos/, test_videos/           as Kaggle ships it; the latter has no labels and is left out
        videos/, labels.csv                          as other projects arrange the test part
        metadata.json, aaqaifqrwn.mp4, ...           one part alone, whatever its folder is called

    In each, videos may be in a level videos/. Of a video that is not there, frames are read: frames/aaqaifqrwn/0.png.
    The folders of the parts may have padded numbers (like their zips) and contain a folder of the same name. In the
    metadata.json of a part, a video is REAL, or FAKE with its original; in other lists a label is 0 for a real and 1
    for a fake. The label of a video is that of the lists in its folder and above. A video that no list names is
    unparsed; one on which two lists disagree is a conflict and not a sample. The group is the original, which need not
    be on disk; identities are not published. In some fakes only the voice is forged.

    Official split: by folder: train (the column of the list says train for everything), val, test; none for videos/.
    Published for train:
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
            *("train", "validation", "test", "train_sample_videos", "test_videos"),
        ),
    )
    media = Tree.pictures | {".mp4"}
    method_count = 1
    licence = "DFDC agreement"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.labels: dict[Parts, dict[str, list[_Label]]] = {}  # folder -> file -> labels of the lists in it
        self.own_folder = (self.root.name,)  # which says what a part that is given alone is

    @classmethod
    def find_root(cls, folder: str | Path) -> Path:
        """The folder that is given if it holds a list beside videos; else as for other datasets, or one level below."""
        given = Path(folder)
        if _is_part(given):
            return given
        try:
            return super().find_root(folder)
        except KCEError:
            parts = [below for below in sorted(given.iterdir()) if _is_part(below)] if given.is_dir() else []
            if len(parts) != 1:
                raise
            return parts[0]

    def parse(self, parts: Parts) -> Sample | Remark:
        """See ``Tree.parse``."""
        clip = self.clip(parts)
        name = f"{clip.stem}.mp4"
        split = _split(clip.folders or self.own_folder)
        if not split and clip.folders:
            raise Unparsed("neither in a part of train nor below validation or test")
        names = {parts[-1], name}
        labels = [
            label
            for n in range(len(parts))
            for listed in sorted(names & self.labels.get(parts[:n], {}).keys())
            for label in self.labels[parts[:n]][listed]
        ]
        if not labels and parts[0].lower() == UNLABELLED:
            return Remark("ignored", "/".join(parts), "no list gives its label")
        if not labels:
            raise Unparsed("no list names it, so its label is unknown")
        if len({label.real for label in labels}) > 1:
            reason = " but ".join(f"{'real' if label.real else 'fake'} in {label.source}" for label in labels)
            return Remark("conflict", "/".join(parts), f"{reason}; it is left out")
        if why := self.why_repeated(parts, clip):
            return Remark("ignored", "/".join(parts), why)
        original = clip.stem if labels[0].real else next((label.original for label in labels if label.original), "")
        return self.sample(
            parts,
            "real" if labels[0].real else self.name,
            group=f"dfdc:{original}" if original else "",
            split=split,
            frame=clip.frame,
        )

    def read_lists(self) -> Iterator[Remark]:
        """Read the labels, which are in a list in each folder."""
        self.labels = {}
        videos_in: list[tuple[Parts, set[str]]] = []
        for folder, names in self.list_folders(_may_hold_lists):
            videos_in.append((folder, {name for name in names if VIDEO.fullmatch(name)}))
            if len(folder) > 1 and folder[-2].lower() in self.frame_levels:
                videos_in.append((folder[:-2], {f"{folder[-1]}.mp4"}))
            for name in names:
                if LIST.fullmatch(name) and name.lower() != SUBMISSION:
                    yield from self._read_list((*folder, name))
        missing = {folder: set(files) for folder, files in self.labels.items()}
        for folder, videos in videos_in:
            for n in range(len(folder) + 1):
                missing.get(folder[:n], set()).difference_update(videos)
        for folder, remaining in missing.items():
            for name in sorted(remaining):
                yield Remark("missing", "/".join((*folder, name)), f"named in {self.labels[folder][name][0].source}")
        for folder, videos in videos_in:
            if folder and folder[0].lower() == UNLABELLED and videos and not self.labels.get(folder):
                reason = f"no list gives the labels of the {len(videos)} videos there, which are left out"
                yield Remark("missing", "/".join((*folder, "labels.csv")), reason)

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
    return SPLITS[(match[1] or match[2] or "").lower()] if match else ""


def _may_hold_lists(folder: Parts) -> bool:
    """Whether lists or videos may be in a folder; of the folders of frames their names are what counts."""
    *above, name = folder
    level = above[-1].lower() if above else ""
    return name.lower() in LEVELS or level in Tree.frame_levels or bool(_split(folder))


def _is_part(folder: Path) -> bool:
    """Whether a list of labels is in a folder, beside videos or a folder of them."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    has_list = any(LIST.fullmatch(name) and name.lower() != SUBMISSION for name in names)
    return has_list and any(VIDEO.fullmatch(name) or name.lower() in LEVELS for name in names)


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of DFDC."""
    return {"DFDC": DFDC}
