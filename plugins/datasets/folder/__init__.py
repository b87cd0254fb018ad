"""Any pictures and videos: folders, a CSV file, or a JSON file in the format of DeepfakeBench."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from kce import KCEError, Remark, Sample, Tree, Unparsed, hookimpl, read_name

from .frames import COMPRESSIONS, Frames
from .given import FileNames, parse_levels, read_levels
from .names import Names, Reading, Unclear
from .table import read_table
from .tree import TreeCheck, read_folders

LABEL_IN_NAME = re.compile(  # a quick look, a million times
    "real|orig|pristine|genuin|authentic|bona|fake|forg|manip|synth|spoof|attack|tamper|alter"
)


class Folder(Tree):
    """Any pictures and videos: folders, a CSV file, or a JSON file in the format of DeepfakeBench.

    Without a CSV or JSON file, the names of the folders say what is real, at any depth: real, original_sequences,
    Celeb-real, "Real Images", genuine, training_real and the like contain reals; fake, manipulated_sequences,
    Celeb-synthesis, attacks and the like forgeries; train, val and test are splits. Otherwise a folder in the root is a
    category, <dataset>_<method> (split at the first "_": CelebDFv2_FaceSwapPRO) or <dataset>_real; the name of one
    without "_" is a method, of the dataset `dataset` or else the name of the root, if there is a folder of reals beside
    it. Below a folder for forgeries stand methods or recordings: fake/FaceSwap/000_003/1.png; where there are no
    methods, the method is "fake". A method or a dataset may stand above: FaceSwap/train/{real,fake}. Where a name or a
    tree can be read in two ways, or nothing says what is real, a scan fails, and says how to tell: name the levels
    (`levels`), or the folders (`real`, `fake`).

    The group of a file is the folder of its recording, if there is one below those of label and method; that of a video
    is else the video itself, that of a picture else unknown: frames of many videos in one folder tell nothing, unless
    the names of the files do (`group`).

    A CSV file has a row per file and the columns path (or file), dataset (unless it is a parameter), method, a label,
    and, as far as known, group, identities (joined by ";"), split and frame. The label is a word (real, genuine, fake,
    spoof ...) in the column label, or 1 or 0 in one of the columns real, is_real, fake and is_fake; for 1 and 0 in the
    column label, `label_is` must say what 1 is. Rows that contradict themselves are conflicts. Paths are relative to
    the folder of the CSV file. Paths that are absolute, or lead out of this folder by ".." or a link, are unparsed;
    files that do not exist are missing. A face folder of ``kce cut`` is such a folder, and so is the root of a dataset
    with a file written by ``kce scan --csv``.

    A JSON file is {dataset: {label: {split: {video: {"label": ..., "frames": [path, ...]}}}}}, with a level for the
    compression below the split where there are several. Each frame is a sample, and its group is its folder. A label
    that names reals (FF-real, DFDC_Real) marks reals; otherwise the label without its dataset prefix is the method.
    Paths may have backslashes; leading folders that are not on the disk are dropped if all frames with the same first
    folder share them. As in a CSV file, ".." and absolute paths are refused, unless below the root. Frames that do not
    exist are missing; a frame that is listed twice, as in val and test, is a conflict, and the first time counts.

    A list of which more than a tenth of the files, or all of a category, are missing is not used without being told to.

    Args:
        root: The folder.
        dataset: The dataset's name; empty = from the names of the folders, or from the CSV or JSON file.
        csv: A CSV file in the root or below it; empty = faces.csv in the root, if it exists.
        json: A JSON file of DeepfakeBench or DF40, by its path from the root or from the working folder.
        compression: Which frames of such a JSON file are read where it has several: c23, c40, raw, or all.
        levels: What each level of folders is, from the root down: some of dataset, method, label, split, video and *
            (says nothing), as "split/label/video"; folders below are of recordings. Empty = by their names.
        group: What the names of picture files are, as "<video>_<frame>"; * = what does not count. Empty = unknown.
        real: Names of folders, labels or methods that are reals, joined with ";".
        fake: Names of folders, labels or methods that are forgeries, joined with ";".
        label_is: What a 1 in the column label of a CSV file stands for: real or fake.

    Raises:
        KCEError: A parameter is not valid, the CSV or JSON file does not exist, or the CSV file is outside the root.
        BadData: The CSV or JSON file cannot be read, or the CSV file lacks a column.
    """

    name = "folder"
    ignored = frozenset()  # here a category may be called masks

    known_faults: ClassVar = {
        "labels": "the dataset comes from the folder name, not from `name`",
        "namespaces": "a recording is a folder of the user, by its path",
    }

    def __init__(
        self,
        root: str,
        dataset: str = "",
        csv: str = "",
        json: str = "",
        compression: str = "c23",
        levels: str = "",
        group: str = "",
        real: str = "",
        fake: str = "",
        label_is: str = "",
    ) -> None:
        if compression not in (*COMPRESSIONS, "all"):
            raise KCEError(f"there is no compression {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}, all")
        if csv and json:
            raise KCEError("a CSV and a JSON file are given", "give one of them")
        if label_is not in ("", "real", "fake"):
            raise KCEError(f"label_is = {label_is!r}", 'what a 1 in the column label stands for: "real" or "fake"')
        self.levels = parse_levels(levels)
        self.file_names = FileNames(group) if group else None
        super().__init__(root)
        self.root_name = os.path.basename(os.path.abspath(root))  # noqa: PTH100, PTH119 - Path(".") has no name
        self.absolute_root = os.path.join(os.path.abspath(self.root), "")  # noqa: PTH100, PTH118 - a string, its links unresolved
        self.name = dataset or self.root_name
        self.root_is_real = read_name(self.root_name).general and read_name(self.root_name).truth is True
        self.names = Names(dataset, self.root_name, real, fake)
        if both := self.names.real & self.names.fake:
            raise KCEError(f"{min(both)} is among the names of reals and of forgeries", "give it in one of them")
        self.label_is = label_is
        self.compression = compression
        self.listing = next((path for path in (self.root / json, Path(json)) if json and path.is_file()), None)
        if json and not self.listing:
            raise KCEError(
                f"no file {json}", "give the JSON file by its path from the root, or from the working folder"
            )
        self.csv = self._csv_parts(csv) if csv else ("faces.csv",) if self.find_exact(("faces.csv",)) else ()
        if not json:
            self.check_table(self.root.joinpath(*(self.csv or ("faces.csv",))))
        self._read_folders = lru_cache(maxsize=4096)(self._read_folders_once)

    def __iter__(self) -> Iterator[Sample | Remark]:
        if self.listing:
            return iter(Frames(self, self.absolute_root, self.listing, self.names, self.compression))
        return read_table(self, self.csv, self.names, self.label_is) if self.csv else self._tree()

    def _tree(self) -> Iterator[Sample | Remark]:
        self._check = TreeCheck(self.names)
        self._unclear: dict[str, Remark] = {}
        self._read_folders.cache_clear()
        yield from super().__iter__()
        yield from self._unclear.values()
        yield from self._check.errors()

    def parse(self, parts: tuple[str, ...]) -> Sample | Remark:
        """See ``Tree.parse``."""
        if len(parts) < 2:
            raise Unparsed("not inside a category folder")
        reading = self._read_folders(parts[:-1])
        if isinstance(reading, str):
            raise Unparsed(reading)
        stem, _, suffix = parts[-1].rpartition(".")
        real = reading.method == "real"
        if not stem.isdigit() and LABEL_IN_NAME.search(stem.lower()) and reading.by != "user":
            truth = read_name(stem).truth
            if truth is not None and truth != real:
                raise Unparsed("its name is one for " + ("reals" if truth else "forgeries") + ", its folder is not")
        key, group, frame = "/".join(parts), reading.group, None
        if f".{suffix.lower()}" in self.videos:
            group = group or key
        elif self.file_names:
            recording, frame = self.file_names.read(stem)
            group = f"{key.rpartition('/')[0]}/{recording}"
        folder = self._folder(*parts[:-1])
        return Sample(key, folder / parts[-1], reading.dataset, reading.method, real, group, (), reading.split, frame)

    def _read_folders_once(self, folders: tuple[str, ...]) -> Reading | str:
        """How the files of a folder are read, or why they cannot be."""
        try:
            if self.levels:
                reading = read_levels(folders, self.levels, self.names)
            else:
                reading = read_folders(folders, self.names)
                if reading.method != "real" and self.root_is_real:
                    reason = f"read as forgeries, in a root that is called {self.root_name}"
                    raise Unclear("/".join(folders), reason, 'say what the folders are, as folder:levels="method"')
        except Unclear as error:
            self._unclear.setdefault(error.folder, Remark("error", error.folder, error.reason, error.hint))
            return f"not clear: {error.folder}: {error.reason}"
        except Unparsed as error:
            return str(error)
        self._check.add(reading)
        return reading

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


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapter of any folder."""
    return {"folder": Folder}
