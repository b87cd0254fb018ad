"""Any pictures and videos: one folder per category, a CSV file, or a JSON file in the format of DeepfakeBench."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from kce import BadData, KCEError, Remark, Sample, Tree, Unparsed, hookimpl

REALS = ("real", "original", "pristine")
COMPRESSIONS = ("c23", "c40", "raw")
SPLITS = ("train", "val", "test")
MAX_DEPTH = 8  # levels of a JSON file; deeper ones are not of DeepfakeBench
TRUTH = {"real": True, "fake": False, "1": True, "0": False, "true": True, "false": False}


class Folder(Tree):
    """Any pictures and videos: one folder per category, a CSV file, or a JSON file in the format of DeepfakeBench.

    Without a CSV or JSON file, each folder in the root is a category, and pictures and videos at any depth below it are
    its samples. The name of a folder is split at the first "_" into dataset and method: CelebDFv2_FaceSwapPRO. Without
    "_", or where `dataset` is given, the whole name is the method, and the dataset is `dataset` or else the name of the
    root. A folder called real, original or pristine, or ending in _real, contains reals. The group of a file is its
    folder if nested below the category folder (one folder per video), else the file itself.

    A CSV file has a row per file and the columns path (or file), label (real or fake; or a column real with 1 or 0),
    dataset (unless it is a parameter), method, and, as far as known, group, identities (joined by ";"), split and
    frame. Paths are relative to the folder of the CSV file. Paths that are absolute, or lead out of this folder by ".."
    or a link, are unparsed; files that do not exist are missing. A face folder of ``kce cut`` is such a folder, and so
    is the root of a dataset with a file written by ``kce scan --csv``.

    A JSON file is {dataset: {label: {split: {video: {"label": ..., "frames": [path, ...]}}}}}, with a level for the
    compression below the split where there are several. Each frame is a sample, and its group is its folder. A label
    that ends in real (FF-real, DFDC_Real) marks reals; otherwise the label without its dataset prefix is the method.
    Paths may have backslashes; leading folders that all frames share are dropped if the root is below them. As in a CSV
    file, ".." and absolute paths are refused, unless below the root. Frames that do not exist are missing; a frame that
    is listed twice, as in val and test, is a conflict, and the first time counts.

    Args:
        root: The folder.
        dataset: The dataset's name; empty = from the names of the folders, or from the CSV or JSON file.
        csv: A CSV file in the root or below it; empty = faces.csv in the root, if it exists.
        json: A JSON file of DeepfakeBench or DF40, by its path from the root or from the working folder.
        compression: Which frames of such a JSON file are read where it has several: c23, c40, raw, or all.

    Raises:
        KCEError: The CSV or JSON file does not exist, or the CSV file is outside the root.
        BadData: The CSV or JSON file cannot be read, or the CSV file lacks a column.
    """

    name = "folder"
    ignored = frozenset()  # here a category may be called masks

    known_faults: ClassVar = {
        "labels": "the dataset comes from the folder name, not from `name`",
        "namespaces": "a recording is a folder of the user, by its path",
    }

    def __init__(self, root: str, dataset: str = "", csv: str = "", json: str = "", compression: str = "c23") -> None:
        if compression not in (*COMPRESSIONS, "all"):
            raise KCEError(f"there is no compression {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}, all")
        if csv and json:
            raise KCEError("a CSV and a JSON file are given", "give one of them")
        super().__init__(root)
        self.dataset = dataset
        self.root_name = os.path.basename(os.path.abspath(root))  # noqa: PTH100, PTH119 - Path(".") has no name
        self.absolute_root = os.path.join(os.path.abspath(self.root), "")  # noqa: PTH100, PTH118 - a string, its links unresolved
        self.name = dataset or self.root_name
        self.compression = compression
        self.listing = next((path for path in (self.root / json, Path(json)) if json and path.is_file()), None)
        if json and not self.listing:
            raise KCEError(
                f"no file {json}", "give the JSON file by its path from the root, or from the working folder"
            )
        self.csv = self._csv_parts(csv) if csv else ("faces.csv",) if self.find_exact(("faces.csv",)) else ()

    def __iter__(self) -> Iterator[Sample | Remark]:
        if self.listing:
            return self._read_listing(self.listing)
        return self._rows() if self.csv else super().__iter__()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if len(parts) < 2:
            raise Unparsed("not inside a category folder")
        key = "/".join(parts)
        dataset, method = self._category(parts[0])
        group = "/".join(parts[:-1]) if len(parts) > 2 else key
        return Sample(key, self.root / key, dataset, method, method == "real", group)

    def _category(self, folder: str) -> tuple[str, str]:
        """Dataset and method; the dataset of reals is everything before _real."""
        default = self.dataset or self.root_name
        head, _, tail = folder.rpartition("_")
        if folder.lower() in REALS:
            return default, "real"
        if head and tail.lower() == "real":
            return f"{self.dataset}_{head}" if self.dataset else head, "real"
        first, _, rest = folder.partition("_")
        return (first, rest) if first and rest and not self.dataset else (default, folder)

    def _csv_parts(self, given: str) -> tuple[str, ...]:
        """The path of the CSV file below the root; relative paths start at the root, or else at the working folder."""
        path = Path(given)
        for candidate in (self.root / path, path):
            if candidate.is_file():
                relative = os.path.relpath(os.path.realpath(candidate), os.path.realpath(self.root))
                if relative.startswith(os.pardir):
                    raise KCEError(f"{given} is outside {self.root}", "put the CSV file into the root, or below it")
                return Path(relative).parts
        raise KCEError(f"no file {given}", "give the CSV file by its path below the root")

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
            raise BadData(f"{path} is not readable CSV: {error}", "save it as CSV in UTF-8") from error

    def _check_columns(self, columns: set[str], path: Path) -> None:
        required = [{"path", "file"}, {"label", "real"}, {"method"}, *([] if self.dataset else [{"dataset"}])]
        if missing := [" or ".join(sorted(names)) for names in required if not names & columns]:
            raise BadData(f"{path} has no column {', '.join(missing)}", "the first line must name the columns")

    def _row(self, row: dict[str, Any], entry: str) -> Sample | Remark:
        parts = (*self.csv[:-1], *self.listed_parts(entry))
        text = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
        real = TRUTH.get((text.get("label") or text.get("real") or "").lower())
        method, dataset = text.get("method", ""), self.dataset or text.get("dataset", "")
        frame = text.get("frame", "")
        if real is None or not dataset or not (real or method):
            raise Unparsed("the label is not real or fake, or dataset or method is missing")
        if frame and not re.fullmatch("[0-9]{1,9}", frame):
            raise Unparsed(f"the frame {frame[:80]!r} is not a number")
        path = self.find_exact(parts)
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

    def _read_listing(self, listing: Path) -> Iterator[Sample | Remark]:
        videos = list(_walk_json(self.read_json(listing)))
        missing_prefix = self._not_on_disk([video["frames"][0] for _, video in videos if video.get("frames")])
        seen: dict[str, str] = {}  # key -> where in the JSON file
        for keys, video in videos:
            where = f"{'/'.join(keys)[:200]} in {listing.name}"
            compressions = [key for key in keys[2:] if key in COMPRESSIONS]
            try:
                video_info = self._describe_video(keys, video)
            except Unparsed as error:
                yield Remark("unparsed", where, str(error))
                continue
            if compressions and self.compression not in (*compressions, "all"):
                yield Remark("ignored", where, f"compression {compressions[0]}")
                continue
            if not video["frames"]:
                yield Remark("missing", where, "without frames")
            for entry in video["frames"]:
                try:
                    yield self._frame(self._parts(entry)[missing_prefix:], video_info, where, seen)
                except Unparsed as error:
                    yield Remark("unparsed", str(entry)[:200], f"{where}: {error}")

    def _frame(
        self, parts: tuple[str, ...], video_info: tuple[str, str, str], where: str, seen: dict[str, str]
    ) -> Sample | Remark:
        key, (dataset, method, split) = "/".join(parts), video_info
        path = self.find_exact(parts)
        if path is None:
            return Remark("missing", key, where)
        if key in seen:
            return Remark("conflict", key, f"{where}; also {seen[key]}, which is kept")
        seen[key] = where
        number = int(path.stem) if re.fullmatch("[0-9]{1,9}", path.stem) else None
        return Sample(key, path, dataset, method, method == "real", key.rpartition("/")[0], (), split, number)

    def _describe_video(self, keys: tuple[str, ...], video: dict[str, Any]) -> tuple[str, str, str]:
        """Dataset, method and split."""
        label = video.get("label")
        if len(keys) < 3 or "frames" not in video or not isinstance(label, str):
            raise Unparsed("expected dataset -> label -> ... -> {label, frames}")
        truths = [truth for truth in (_truth(label), _truth(keys[1])) if truth is not None]
        if len(set(truths)) > 1:
            raise Unparsed(f"label {label!r} contradicts its parent {keys[1]!r}")
        method = "real" if truths and truths[0] else keys[1].removeprefix(f"{keys[0]}_")
        return self.dataset or keys[0], method, next((key for key in keys[2:] if key in SPLITS), "")

    def _parts(self, entry: object) -> tuple[str, ...]:
        if not isinstance(entry, str):
            raise Unparsed("not a path")
        return self.listed_parts(entry.replace("\\", "/").removeprefix(self.absolute_root))

    def _not_on_disk(self, entries: list[Any]) -> int:
        """How many of the leading folders that all these frames share do not exist below the root."""
        paths = []
        for entry in entries:
            with suppress(Unparsed):
                paths.append(self._parts(entry))
        if not paths:
            return 0
        pairs = zip(min(paths)[:-2], max(paths)[:-2], strict=False)
        shared = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(path) for path in paths) - 2)
        for above in range(shared + 1):
            for path in paths:
                with suppress(Unparsed):
                    if self.find_exact(path[above:]):
                        return above
        return 0


def _walk_json(node: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The videos of a JSON file with the keys that lead to them; anything else is given as an empty one."""
    if isinstance(node, dict) and isinstance(node.get("frames"), list):
        yield keys, node
    elif isinstance(node, dict) and len(keys) < MAX_DEPTH:
        for key, below in node.items():
            yield from _walk_json(below, (*keys, key))
    else:
        yield keys, {}


def _truth(label: str) -> bool | None:
    """Whether a label is that of reals; None if its words do not tell."""
    words = re.split(r"[\W_]+", label.casefold())
    if any(word.startswith("fake") for word in words):
        return False  # Fake_from_Celeb-real
    return True if words[-1] in REALS else None


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of any folder."""
    return {"folder": Folder}
