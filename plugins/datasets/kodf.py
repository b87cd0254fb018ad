"""KoDF."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kce import Remark, Sample, Tree, Unparsed, hookimpl

METHODS = {"1": "dfl", "2": "dffs", "3": "fsgan", "4": "fo", "5": "audio-driven"}  # by the code in a name
SPLITS = {"training": "train", "validation": "val", "test": "test"}

STEM = re.compile(r"([0-9a-f]{20}|[0-9]{6})(?:_([0-9a-f]{20}|[0-9]{6})_([0-9]+))?_([0-9]+)", re.IGNORECASE)
SIDE = re.compile(r"(?:[0-9]+_|\[원천\]\[)?(?:(원본|original)|변조|manipulated)", re.IGNORECASE)
METHOD = re.compile(r"(?:.*[\]_])?(dfl|dffs|fsgan|fo|audio[-_]driven)[0-9]*(?:_data[0-9]*)?", re.IGNORECASE)
SPLIT = re.compile(r"(?:[0-9]\. ?)?(training|validation|test)", re.IGNORECASE)
LIST = re.compile(r"(원본|변조)영상_(training|validation|test)_메타데이터\.csv", re.IGNORECASE)
ZIPS = tuple(f"[원천][변조]{stem}{n}{end}" for n in range(1, 41) for stem, end in (
    *((f"train_{method}", "_data") for method in ("dfl", "dffs", "fsgan", "fo")), ("audio_driven", "")))  # fmt: skip


class _Row(NamedTuple):
    """What a list says about a video; empty = nothing."""

    split: str
    target_video: str
    target: str


class KoDF(Tree):
    """KoDF: 62,166 videos of 403 people, most of them Korean, and 175,776 forged ones; five methods.

    Layout of AI-Hub, in which folders repeat and are split like their zips::

        003.딥페이크/{1.Training,2.Validation}/원천데이터/.../원본영상/01_원본영상/01_원본영상/<id>_132.mp4
        003.딥페이크/{1.Training,2.Validation}/원천데이터/.../변조영상/01_변조영상/01_변조영상/<id>_<id>_4_1680.mp4
        1.Training/[원천][변조]train_dfl1_data/...
        .../변조영상_training_메타데이터.csv

    Layout of the international release::

        original/<actor>/<actor>_001.mp4
        dfl/<date>/<target>/<target>_<source>_1_0490.mp4

    An id is 20 hexadecimal characters or six digits. Videos are read at any depth, by their names: that of a fake gives
    target, source, method (1 dfl, 2 dffs, 3 fsgan, 4 fo, 5 audio-driven, which is two methods with one code) and a
    number. If its folders contradict its name, it is a conflict, and the video is left out. Videos of 탐지방해, which
    were altered once more against detectors, are read like the others.

    The lists (메타데이터.csv) may be anywhere. By them a fake has a group, its target's video; without them the order
    of the two ids is uncertain and the group unknown. The split is that of the folder, or else of the list; the
    international release has none. If the method in a list is not that of the name, it is a conflict, and the name
    decides. Files that a list names and that do not exist are missing.

    Licence: by form; AI-Hub's release is for users in Korea, and its data may not leave the country.
    Source: Kwon et al. 2021, KoDF: A Large-scale Korean DeepFake Detection Dataset, ICCV.
    github.com/deepbrainai-research/kodf
    """

    name = "KoDF"
    root_names = ("003.딥페이크", "KoDF")
    root_contains = (
        ("1.Training", "2.Validation"),
        ("original_content", "manipulated_content", *METHODS.values(), "audio_driven"),
        ("원천데이터", "원본영상", "변조영상", "original", *ZIPS),
    )
    media = frozenset({".mp4"})
    expected = {"KoDF_real": 62166}  # noqa: RUF012 - of the methods only the sum is published, 175,776
    method_count = 5
    licence = "by form; AI-Hub's release for users in Korea only"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.rows: dict[str, _Row] = {}  # by the stem of a video

    def __iter__(self) -> Iterator[Sample | Remark]:
        existing: set[str] = set()
        for item in super().__iter__():
            stem = _stem(item.path if isinstance(item, Remark) else item.key)
            if stem in self.rows:
                existing.add(stem)
            yield item
        yield from (Remark("missing", f"{stem}.mp4", "named in a list") for stem in self.rows if stem not in existing)

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        stem = _stem(parts[-1])
        name = STEM.fullmatch(stem)
        if not name or (name[3] and name[3] not in METHODS):
            raise Unparsed("neither <id>_<number> nor <id>_<id>_<1 to 5>_<number>")
        method = METHODS[name[3]] if name[3] else "real"
        if folder := _contradicting_folder(parts[:-1], method):
            return Remark(
                "conflict", "/".join(parts), f"{method} by its name, but in the folder {folder}; it is left out"
            )
        row = self.rows.get(stem, _Row("", "", ""))
        ids = [person.lower() for person in name.groups()[:2] if person]
        if row.target == ids[-1]:
            ids.reverse()
        recording = stem if method == "real" else row.target_video
        return self.sample(
            parts,
            method,
            group=f"kodf:{recording}" if recording else "",
            identities=tuple(f"kodf:{person}" for person in ids),
            split=_split(parts[:-1]) or row.split,
        )

    def read_lists(self) -> Iterator[Remark]:
        """Read the lists, wherever they are."""
        self.rows.clear()
        for path, split in self._list_files():
            key = path.relative_to(self.root).as_posix()
            rows = csv.DictReader(line for _, line in self.read_lines(path))
            try:
                for row in rows:
                    yield from self._read_row(row, f"line {rows.line_num} of {path.name}", key, split)
            except csv.Error as error:
                yield Remark("conflict", key, f"line {rows.line_num} and all after it cannot be read: {error}")

    def _read_row(self, row: dict[str, str], where: str, key: str, split: str) -> Iterator[Remark]:
        text = {column: (value or "").strip() for column, value in row.items() if column}
        stem = _stem(text.get("영상ID", ""))
        name = STEM.fullmatch(stem)
        if not name:
            yield Remark("conflict", key, f"{where} does not name a video: {stem[:80]!r}")
            return
        model = text.get("변조모델", "").lower().replace("_", "-")
        if model and model not in (METHODS.get(name[3]), name[3]):
            yield Remark("conflict", f"{stem}.mp4", f"{where} says {model[:80]}, unlike its name, which decides")
        self.rows[stem] = _Row(split, _stem(text.get("타겟영상", "")), text.get("타겟UUID", "").lower())

    def _list_files(self) -> Iterator[tuple[Path, str]]:
        """The lists with their splits."""
        for folder, names in self.list_folders(lambda _: True):
            for name in names:
                match = LIST.fullmatch(unicodedata.normalize("NFC", name))
                path = self.root.joinpath(*folder, name)
                if match and not path.is_symlink():
                    yield path, SPLITS[match[2].lower()]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".mp4")


def _contradicting_folder(folders: tuple[str, ...], method: str) -> str:
    """The first folder that belongs to another method; empty if there is none."""
    for folder in folders:
        if (side := SIDE.match(folder)) and bool(side[1]) != (method == "real"):
            return folder
        if (named := METHOD.fullmatch(folder)) and named[1].lower().replace("_", "-") != method:
            return folder
    return ""


def _split(folders: tuple[str, ...]) -> str:
    return next((SPLITS[match[1].lower()] for folder in folders if (match := SPLIT.fullmatch(folder))), "")


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of KoDF."""
    return {"KoDF": KoDF}
