"""What a face folder records about how it was cut: settings, results, and a journal while it is cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import tomlkit

from kce.errors import Refused
from kce.faces.file_names import FACES, JOURNAL, PROBLEMS, SETTINGS, face_path
from kce.faces.sample_rows import folder_key_of_row
from kce.faces.tables import FaceRow, Problem, read_csv_table, read_face_rows, write_csv_table
from kce.system.documents import Document, document_to_table, read_document, write_table


@dataclass(frozen=True)
class CutSettings(Document):
    """``cut.toml``: what all faces of a folder have in common.

    Attributes:
        detector: The detector with all its parameters.
        frames: Frames per video.
        seed: Seed of the random order in which samples are cut.
        margin: Side of a crop, in units of the longer side of the face.
        kce: Version of KCE, for information.
        per_category: Category -> number of faces that were requested; 0 = all.
    """

    NOUN: ClassVar[str] = "the settings file of a face folder"
    HINT: ClassVar[str] = "cut into a new folder"

    detector: str
    frames: int
    seed: int
    margin: float
    kce: str
    per_category: Mapping[str, int] = field(default_factory=dict)


class CutResult(NamedTuple):
    """The result for one sample: faces, problems, or both."""

    rows: tuple[FaceRow, ...]
    problems: tuple[Problem, ...]


_BEGINNINGS = {JOURNAL, f"{SETTINGS}.part"}


class CutRecord:
    """What was cut into a face folder so far.

    Args:
        root: The folder.
        settings: The settings of the current cut.

    Attributes:
        settings: The settings; `per_category` includes those of earlier cuts.
        results: Key of a sample in the folder -> the result for it.

    Raises:
        Refused: The folder was cut with other settings, or contains something else.
        BadData: A table or the settings are damaged.
    """

    def __init__(self, root: Path, settings: CutSettings) -> None:
        self.root = root
        self.results: dict[str, CutResult] = {}
        self.settings = settings
        self._forgotten: list[str] = []
        if (root / SETTINGS).is_file():
            self.settings = read_document(root / SETTINGS, CutSettings)
            _refuse_other_settings(root, self.settings, settings)
        # A cut that was killed before its first face leaves an empty journal, or half of its settings.
        elif any(not path.name.startswith(".") for path in root.iterdir() if path.name not in _BEGINNINGS):
            raise Refused(f"{root} is not empty and not a face folder", "cut into a new folder")
        self._read()

    def rows(self, key: str) -> tuple[FaceRow, ...]:
        """The faces of a sample; none if it was not cut."""
        return self.results[key].rows if key in self.results else ()

    def forget(self, key: str, *, permanently: bool = False) -> None:
        """Discard the result for a sample, so that it is cut again; `permanently` also after a restart."""
        del self.results[key]
        if permanently:
            self._forgotten.append(key)

    def begin(self, limits: Mapping[str, int]) -> None:
        """Prepare the folder before the first face is written.

        The steps are in this order so that a cut that is killed between them finds the same work to do when restarted.

        Args:
            limits: Category -> number of faces that are requested; 0 = all.
        """
        for unfinished in self.root.glob("*/*.part"):
            unfinished.unlink()
        with (self.root / JOURNAL).open("ab") as journal:
            journal.truncate(self._complete)
        for key in self._forgotten:
            self._append({"redo": key})
        self._write_settings(limits)

    def add(self, key: str, result: CutResult) -> None:
        """Record the result for a sample, whose faces have been written."""
        self.results[key] = result
        self._append({"key": key, "rows": result.rows, "problems": result.problems})

    def finish(self, limits: Mapping[str, int], order: Callable[[str], Any]) -> None:
        """Turn the journal into the tables.

        Args:
            limits: Category -> number of faces that were requested; 0 = all.
            order: Sort key of a sample's key. Rows are sorted by category, then by this, then by frame.
        """
        rows = sorted(
            ((row.category, order(key), key, int(row.frame or 0)), row)
            for key, result in self.results.items()
            for row in result.rows
        )
        problems = [problem for key in sorted(self.results) for problem in self.results[key].problems]
        self._write_settings(limits)
        write_csv_table(self.root / PROBLEMS, Problem._fields, problems)
        write_csv_table(self.root / FACES, FaceRow._fields, (row for _, row in rows))
        (self.root / JOURNAL).unlink(missing_ok=True)

    def _append(self, entry: dict[str, Any]) -> None:
        with (self.root / JOURNAL).open("ab") as journal:
            journal.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def _write_settings(self, limits: Mapping[str, int]) -> None:
        per_category = {**self.settings.per_category, **limits}
        self.settings = replace(self.settings, per_category=dict(sorted(per_category.items())))
        document = tomlkit.document()
        document.add(tomlkit.comment("How these faces were cut. `kce cut` adds faces that are cut in the same way."))
        limits_table = tomlkit.table()
        limits_table.add(tomlkit.comment("number of faces requested; 0 = all"))
        for name, value in document_to_table(self.settings).items():
            document.add(name, limits_table if name == "per_category" else tomlkit.item(value))
        limits_table.update(self.settings.per_category)
        write_table(self.root / SETTINGS, document)

    def _read(self) -> None:
        rows: dict[str, list[FaceRow]] = {}
        problems: dict[str, list[Problem]] = {}
        for row in read_face_rows(self.root):
            rows.setdefault(folder_key_of_row(row), []).append(row)
        if (self.root / PROBLEMS).is_file():
            for line in read_csv_table(self.root / PROBLEMS, Problem._fields):
                problems.setdefault(line[0], []).append(Problem(*line))
        for key in rows | problems:
            self.results[key] = CutResult(tuple(rows.get(key, ())), tuple(problems.get(key, ())))
        self._complete = 0  # bytes of complete entries in the journal; a kill can cut the last one short
        if (self.root / JOURNAL).is_file():
            for entry in (self.root / JOURNAL).read_bytes().splitlines(keepends=True):
                if not self._read_entry(entry):
                    break
                self._complete += len(entry)

    def _read_entry(self, line: bytes) -> bool:
        """Read a line of the journal; False if it is incomplete or not valid."""
        try:
            entry = json.loads(line)
            if not line.endswith(b"\n"):
                return False
            if "redo" in entry:
                self.results.pop(entry["redo"], None)
                return True
            rows = tuple(FaceRow(*(sys.intern(text) for text in row)) for row in entry["rows"])
            problems = tuple(Problem(*(sys.intern(text) for text in problem)) for problem in entry["problems"])
            if any(row.file != face_path(row.category, row.key) for row in rows):
                return False
            self.results[entry["key"]] = CutResult(rows, problems)
        except (ValueError, TypeError, KeyError):
            return False
        return True


def _refuse_other_settings(root: Path, existing: CutSettings, requested: CutSettings) -> None:
    """Refuse to mix faces that were cut in different ways; the version of KCE does not count."""
    for name in ("detector", "margin", "frames", "seed"):
        old, new = getattr(existing, name), getattr(requested, name)
        if old != new:
            raise Refused(
                f"{root} was cut with {name} {old!r}; requested now: {new!r}",
                "cut into another folder, or with the same settings (they are in cut.toml)",
            )


def refuse_lower_limits(root: Path, existing: Mapping[str, int], categories: Iterable[str], limit: int) -> None:
    """Refuse to cut fewer faces than before, since none are thrown away.

    Args:
        root: The folder, for messages.
        existing: Category -> number of faces that were requested before; 0 = all.
        categories: The categories that are requested now.
        limit: The number of faces of each that are requested now; 0 = all.

    Raises:
        Refused: If the number is lower than before for a category.
    """
    for category in categories:
        old = existing.get(category, limit)
        if limit != old and limit and (not old or limit < old):
            raise Refused(
                f"{root} was cut with per_category {old or 'all'} ({category}); requested now: {limit}",
                "request as many faces or more, or cut into another folder",
            )
