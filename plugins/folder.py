"""Any pictures and videos: one folder per category, or a csv."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kce import BadData, KCEError, Remark, Sample, Tree, Unparsed, hookimpl

REALS = ("real", "original", "pristine")
TRUTH = {"real": True, "fake": False, "1": True, "0": False, "true": True, "false": False}


class Folder(Tree):
    """Any pictures and videos: one folder per category, or a csv.

    dataset  the dataset's name; empty = taken from the folders' names (or from the csv)
    csv      a csv in the root or below it; empty = faces.csv in the root, if it is there

    Without a csv each folder in the root is a category, and pictures and videos at any depth below it are its samples.
    A folder's name is split at its first "_" into dataset and method: CelebDFv2_FaceSwapPRO. Without "_", or when
    `dataset` is given, the whole name is the method, and the dataset is `dataset` or else the name of the root. A
    folder called real, original or pristine, or one that ends in _real, holds reals. The group of a file is its own
    path, or the folder it lies in where that is deeper than the category: one folder per video.

    A csv has a row per file and the columns path (or file), label (real or fake; or a column real with 1 or 0), dataset
    (unless given as parameter), method, and, as far as known, group, identities (joined by ";"), split and frame. Paths
    are relative to the folder of the csv. Those that are absolute or lead out of it by ".." or a link are refused and
    named; files that are not there are counted as missing. What ``kce cut`` writes is such a folder, and so is what
    ``kce scan --csv`` writes when it is put into the root.

    Raises KCEError when the csv is not there, lies outside the root or lacks a column; BadData when it is no csv.
    """

    name = "folder"
    ignored = frozenset()  # here a category may well be called masks

    def __init__(self, root: str, dataset: str = "", csv: str = "") -> None:
        super().__init__(root)
        self.dataset = dataset
        self.root_name = os.path.basename(os.path.abspath(root))  # noqa: PTH100, PTH119 - Path(".") has no name
        self.name = dataset or self.root_name
        self.csv = self._csv_parts(csv) if csv else ("faces.csv",) if self.locate(("faces.csv",)) else ()

    def __iter__(self) -> Iterator[Sample | Remark]:
        return self._rows() if self.csv else super().__iter__()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        if len(parts) < 2:
            raise Unparsed("in no folder of a category")
        key = "/".join(parts)
        dataset, method = self._category(parts[0])
        group = "/".join(parts[:-1]) if len(parts) > 2 else key
        return Sample(key, self.root / key, dataset, method, method == "real", group)

    def _category(self, folder: str) -> tuple[str, str]:
        """Dataset and method; a real's dataset is all that precedes _real."""
        default = self.dataset or self.root_name
        head, _, tail = folder.rpartition("_")
        if folder.lower() in REALS:
            return default, "real"
        if head and tail.lower() == "real":
            return f"{self.dataset}_{head}" if self.dataset else head, "real"
        first, _, rest = folder.partition("_")
        return (first, rest) if first and rest and not self.dataset else (default, folder)

    def _csv_parts(self, given: str) -> tuple[str, ...]:
        """Where the csv lies below the root; a relative path counts from the root, or else from the working folder."""
        path = Path(given)
        for place in (self.root / path, path):
            if place.is_file():
                relative = os.path.relpath(os.path.realpath(place), os.path.realpath(self.root))
                if relative.startswith(os.pardir):
                    raise KCEError(f"{given} lies outside {self.root}", "put the csv into the root, or below it")
                return Path(relative).parts
        raise KCEError(f"no file {given}", "give the csv by its path below the root")

    def _rows(self) -> Iterator[Sample | Remark]:
        path = self.root.joinpath(*self.csv)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                self._check_columns(set(rows.fieldnames or ()), path)
                for row in rows:
                    entry = row.get("path") or row.get("file") or ""
                    try:
                        yield self._row(row, entry)
                    except Unparsed as error:
                        yield Remark("unparsed", entry, f"line {rows.line_num} of {path.name}: {error}")
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadData(f"{path} is not a readable csv: {error}", "save it as csv in UTF-8") from error

    def _check_columns(self, columns: set[str], path: Path) -> None:
        wanted = [{"path", "file"}, {"label", "real"}, {"method"}, *([] if self.dataset else [{"dataset"}])]
        if lacking := [" or ".join(sorted(names)) for names in wanted if not names & columns]:
            raise BadData(f"{path} has no column {', '.join(lacking)}", "its first line must name the columns")

    def _row(self, row: dict[str, Any], entry: str) -> Sample | Remark:
        parts = (*self.csv[:-1], *self.inside(entry))
        text = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
        real = TRUTH.get((text.get("label") or text.get("real") or "").lower())
        method, dataset = text.get("method", ""), self.dataset or text.get("dataset", "")
        frame = text.get("frame", "")
        if real is None or not dataset or not (real or method):
            raise Unparsed("says not whether it is real or fake, or lacks dataset or method")
        if frame and not re.fullmatch("[0-9]{1,9}", frame):
            raise Unparsed(f"the frame {frame[:80]!r} is no number")
        path = self.locate(parts)
        if path is None:
            return Remark("missing", entry, f"named in {self.csv[-1]}")
        identities = tuple(name for name in text.get("identities", "").split(";") if name)
        return Sample(
            "/".join(parts),
            path,
            dataset,
            "real" if real else method,
            real,
            text.get("group", ""),
            identities,
            text.get("split", ""),
            int(frame) if frame else None,
        )


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    return {"folder": Folder}
