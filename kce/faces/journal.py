"""What was cut into a face folder so far: finished tables, and a journal while it is cut."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kce.data.finished_tables import (
    FACES,
    JOURNAL,
    PROBLEMS,
    SETTINGS,
    SETTINGS_COPY,
    TableRecord,
    hash_file,
    read_settings_table,
)
from kce.errors import BadData, Refused
from kce.faces.cut_settings import CutSettings, refuse_other_settings, refuse_other_worlds, write_cut_settings
from kce.faces.file_names import face_path
from kce.faces.sample_rows import folder_key_of_row
from kce.faces.tables import CategoryRows, FaceRow, Problem, read_tables, salvage_tables, write_tables
from kce.system.atomic import remove_leftovers, write_atomic
from kce.system.documents import document_from_table
from kce.system.regular import append_regular, read_regular, require_inside
from kce.system.text import printable

_log = logging.getLogger("kce.faces.journal")


class CutResult(NamedTuple):
    """The result for one sample: faces, problems, or both."""

    rows: tuple[FaceRow, ...]
    problems: tuple[Problem, ...]


class CutRecord:
    """What was cut into a face folder so far.

    Where a finished table was cut off or damaged since, the categories whose lines are not whole are forgotten, so that
    they are cut again. Categories of datasets that are not cut now keep the lines they have, and stay damaged.

    Args:
        root: The folder.
        settings: The settings of the current cut.

    Attributes:
        settings: The settings; `per_category` includes those of earlier cuts.
        results: Key of a sample in the folder -> the result for it.
        damaged: Categories whose lines in the tables are not whole.

    Raises:
        Refused: The folder was cut with other settings, or contains something else.
        BadData: The settings are damaged.
    """

    def __init__(self, root: Path, settings: CutSettings) -> None:
        self.root = root
        self.results: dict[str, CutResult] = {}
        self.settings = settings
        self.damaged: set[str] = set()
        self._salvaged: dict[str, CategoryRows] = {}  # what is left of damaged categories
        self._forgotten: list[str] = []
        self._begun = False
        require_inside(root, *(path.name for path in root.iterdir() if path.is_symlink()))
        table = read_settings_table(root)
        if table is not None:
            self.settings = document_from_table(table, CutSettings, str(root / SETTINGS))
            refuse_other_settings(root, self.settings, settings)
        # A cut that was killed before its first face leaves an empty journal.
        elif any(not path.name.startswith(".") for path in root.iterdir() if path.name != JOURNAL):
            lost = (root / SETTINGS_COPY).is_file()
            raise Refused(
                f"{root} has no {SETTINGS}" if lost else f"{root} is not empty and not a face folder",
                f"copy {SETTINGS_COPY} to {SETTINGS} to continue it, or cut into a new folder"
                if lost
                else "cut into a new folder",
            )
        self._limits = self.settings.per_category  # as of the last cut
        self._read()

    def note_worlds(self, worlds: Mapping[str, str]) -> None:
        """Note what is to be cut: dataset -> what its synthetic world was made from; empty = it is of files.

        Raises:
            Refused: The folder has faces of such a dataset from elsewhere.
        """
        worlds = {printable(dataset): made_from for dataset, made_from in worlds.items()}
        there = {row.dataset for row in self.all_rows()} | self.settings.worlds.keys()
        there |= {key.partition("/")[0] for key in self.results}  # of which no face was cut
        refuse_other_worlds(self.root, self.settings, there, worlds)
        new = {dataset: made_from for dataset, made_from in worlds.items() if made_from}
        self.settings = replace(self.settings, worlds=dict(sorted({**self.settings.worlds, **new}.items())))

    def rows(self, key: str) -> tuple[FaceRow, ...]:
        """The faces of a sample; none if it was not cut."""
        return self.results[key].rows if key in self.results else ()

    def all_rows(self) -> Iterator[FaceRow]:
        """The faces of all samples, of this dataset and of others."""
        return (row for result in self.results.values() for row in result.rows)

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
        remove_leftovers(self.root)
        for folder in self.root.iterdir():
            if folder.is_dir() and not folder.is_symlink():
                remove_leftovers(folder)
        with append_regular(self.root / JOURNAL) as journal:
            journal.truncate(self._complete)
        self._begun = True
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
        remove_leftovers(self.root)  # of a cut that was killed just here
        content = self._by_category(order)
        damaged, self.damaged = self.damaged, {name for name in self.damaged if name not in limits}
        content |= {name: self._salvaged[name] for name in self.damaged}
        categories = {name: lines.record() for name, lines in sorted(content.items())}
        before = self.settings.categories
        categories |= {name: before[name] for name in self.damaged}  # what they should be
        for name in sorted(damaged - self.damaged):
            if limits[name] == self._limits.get(name) and categories.get(name) != before[name]:
                _log.warning("the faces of %s are not those of before: its files or labels have changed since", name)
        if damaged:
            for name in (FACES, PROBLEMS):
                if (self.root / name).is_file():
                    write_atomic(self.root / f"{name}.damaged", read_regular(self.root / name))
        tables = write_tables(self.root, content, self._announce)
        if self.damaged:
            tables = {name: TableRecord(self.settings.tables[name].rows, "damaged") for name in tables}
        self._write_settings(limits, categories, tables)
        (self.root / JOURNAL).unlink(missing_ok=True)

    def refuse_unfinished(self) -> None:
        """Raise BadData if categories of other datasets are still damaged."""
        if self.damaged:
            raise BadData(
                f"{self.root / FACES} was cut off, damaged or edited; it still lacks faces of "
                f"{', '.join(sorted(self.damaged))}",
                "start the `kce cut` of their datasets again, too: it cuts what is missing",
            )

    def _by_category(self, order: Callable[[str], Any]) -> dict[str, CategoryRows]:
        content: dict[str, CategoryRows] = {}
        rows = sorted(
            ((row.category, order(key), key, int(row.frame or 0)), row)
            for key, result in self.results.items()
            for row in result.rows
        )
        for _, row in rows:
            content.setdefault(row.category, CategoryRows()).rows.append(row)
        for key in sorted(self.results):
            for problem in self.results[key].problems:
                content.setdefault(problem.category, CategoryRows()).problems.append(problem)
        return content

    def _announce(self, tables: Mapping[str, TableRecord]) -> None:
        """Record the tables that are about to be written, so that a cut that is killed now knows them again."""
        if tables != self.settings.tables:
            with append_regular(self.root / JOURNAL) as journal:
                if not self._begun:
                    journal.truncate(self._complete)
            self._append({"finished": {name: record.hash for name, record in tables.items()}})

    def _append(self, entry: dict[str, Any]) -> None:
        with append_regular(self.root / JOURNAL) as journal:
            journal.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def _write_settings(
        self,
        limits: Mapping[str, int],
        categories: Mapping[str, TableRecord] | None = None,
        tables: Mapping[str, TableRecord] | None = None,
    ) -> None:
        self.settings = replace(
            self.settings,
            per_category=dict(sorted({**self.settings.per_category, **limits}.items())),
            categories=self.settings.categories if categories is None else categories,
            tables=self.settings.tables if tables is None else tables,
        )
        write_cut_settings(self.root, self.settings)

    def _read(self) -> None:
        entries = list(self._read_journal())
        finished: Mapping[str, str] = next(
            (entry["finished"] for entry in reversed(entries) if "finished" in entry), {}
        )
        if all(self._is_whole(name, finished.get(name)) for name in (FACES, PROBLEMS)):
            content = read_tables(self.root)
        else:
            content = self._salvage()
        rows: dict[str, list[FaceRow]] = {}
        problems: dict[str, list[Problem]] = {}
        for lines in content.values():
            for row in lines.rows:
                rows.setdefault(folder_key_of_row(row), []).append(row)
            for problem in lines.problems:
                problems.setdefault(problem.key, []).append(problem)
        for key in rows | problems:
            self.results[key] = CutResult(tuple(rows.get(key, ())), tuple(problems.get(key, ())))
        for entry in entries:
            if "redo" in entry:
                self.results.pop(entry["redo"], None)
            elif "key" in entry:
                self.results[entry["key"]] = entry["result"]

    def _is_whole(self, name: str, announced: str | None) -> bool:
        recorded = self.settings.tables[name].hash
        if not (self.root / name).is_file():
            return not recorded
        return hash_file(self.root / name) in {recorded, announced}

    def _salvage(self) -> dict[str, CategoryRows]:
        """The categories whose lines are whole; the others are damaged."""
        found = salvage_tables(self.root)
        recorded = self.settings.categories
        whole = {name: lines for name, lines in found.items() if lines.record() == recorded.get(name)}
        self.damaged = set(recorded) - set(whole)
        self._salvaged = {name: found.get(name, CategoryRows()) for name in self.damaged}
        _log.warning(
            "%s or %s is not as `kce cut` finished it: it was cut off, damaged or edited. To be cut again: %s. What was"
            " there is kept as %s.damaged and %s.damaged",
            *(self.root / FACES, PROBLEMS, ", ".join(sorted(self.damaged)) or "nothing", FACES, PROBLEMS),
        )
        return whole

    def _read_journal(self) -> Iterable[dict[str, Any]]:
        """The entries of the journal up to the first that is incomplete or not valid."""
        self._complete = 0  # bytes of complete entries; a kill can cut the last one short
        if not (self.root / JOURNAL).is_file():
            return
        for line in read_regular(self.root / JOURNAL).splitlines(keepends=True):
            entry = _parse_entry(line)
            if entry is None:
                return
            self._complete += len(line)
            yield entry


def _parse_entry(line: bytes) -> dict[str, Any] | None:
    """A line of the journal; None if it is incomplete or not valid."""
    try:
        entry = json.loads(line)
        if not line.endswith(b"\n"):
            return None
        if "redo" in entry or "finished" in entry:
            return dict(entry) if isinstance(entry.get("finished", {}), dict) else None
        rows = tuple(FaceRow(*(sys.intern(text) for text in row)) for row in entry["rows"])
        problems = tuple(Problem(*(sys.intern(text) for text in problem)) for problem in entry["problems"])
        if any(row.file != face_path(row.category, row.key) for row in rows):
            return None
        return {"key": str(entry["key"]), "result": CutResult(rows, problems)}
    except (ValueError, TypeError, KeyError):
        return None
