"""What a face folder remembers of how it was cut: settings, what was done with each sample, and a journal meanwhile."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit

from kce.data.media import is_video
from kce.errors import BadData, Refused
from kce.faces.folder import (
    FACES,
    JOURNAL,
    PROBLEMS,
    SETTINGS,
    Row,
    place,
    read_rows,
    read_table,
    write_table,
)
from kce.system.atomic import write_atomic


@dataclass(frozen=True)
class Settings:
    """What all faces of a folder have in common. `detector` is written with all its parameters."""

    detector: str
    frames: int
    seed: int
    margin: float
    kce: str


class Problem(NamedTuple):
    """One line of problems.csv."""

    key: str
    path: str
    reason: str


class Done(NamedTuple):
    """What came of one sample; it has a row or a problem, or both."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


_BEGINNINGS = {JOURNAL, f"{SETTINGS}.part"}


class Ledger:
    """The memory of a face folder.

    done    sample's key -> what came of it
    limits  category -> how many faces were asked for; 0 = all
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        """Read what is there. Raises Refused for a folder that was cut otherwise, or that holds something else."""
        self.root = root
        self.done: dict[str, Done] = {}
        self.limits: dict[str, int] = {}
        self.settings = settings
        self._forgotten: list[str] = []
        if (root / SETTINGS).is_file():
            self.settings, self.limits = _read_settings(root / SETTINGS)
            _compare(root, self.settings, settings)
        # A cut that was killed before its first face leaves an empty journal, or half of its settings.
        elif any(not path.name.startswith(".") for path in root.iterdir() if path.name not in _BEGINNINGS):
            raise Refused(f"{root} is no face folder, and is not empty", "cut into a new folder")
        self._read()

    def rows(self, base: str) -> tuple[Row, ...]:
        """The faces of a sample; none if it was not cut."""
        return self.done[base].rows if base in self.done else ()

    def forget(self, base: str, *, for_good: bool = False) -> None:
        """Have a sample cut again. Unless `for_good`, the next start has to find out again why."""
        del self.done[base]
        if for_good:
            self._forgotten.append(base)

    def begin(self, limits: dict[str, int]) -> None:
        """Before the first face is written. In this order: killed in between, the next start finds the same to do."""
        for torn in self.root.glob("*/*.part"):
            torn.unlink()
        with (self.root / JOURNAL).open("ab") as journal:
            journal.truncate(self._sound)
        for base in self._forgotten:
            self._write({"redo": base})
        self.limits |= limits
        self._write_settings()

    def note(self, base: str, done: Done) -> None:
        """One sample is done, its pictures are on the disk."""
        self.done[base] = done
        self._write({"key": base, "rows": done.rows, "problems": done.problems})

    def finish(self, limits: dict[str, int], order: Callable[[str], Any]) -> None:
        """Turn the journal into the tables, sorted by category, then by `order` of the sample's key, then by frame."""
        rows = sorted(
            ((row.category, order(base), base, int(row.frame or 0)), row)
            for base, done in self.done.items()
            for row in done.rows
        )
        problems = [problem for base in sorted(self.done) for problem in self.done[base].problems]
        self.limits |= limits
        self._write_settings()
        write_table(self.root / PROBLEMS, Problem._fields, problems)
        write_table(self.root / FACES, Row._fields, (row for _, row in rows))
        (self.root / JOURNAL).unlink(missing_ok=True)

    def _write(self, entry: dict[str, Any]) -> None:
        with (self.root / JOURNAL).open("ab") as journal:
            journal.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def _write_settings(self) -> None:
        document = tomlkit.document()
        document.add(tomlkit.comment("How these faces were cut. `kce cut` adds to this folder only what is cut alike."))
        for name, value in asdict(self.settings).items():
            document.add(name, tomlkit.item(value))
        table = tomlkit.table()
        table.add(tomlkit.comment("faces asked for; 0 = all"))
        for category in sorted(self.limits):
            table.add(category, self.limits[category])
        document.add("per_category", table)
        write_atomic(self.root / SETTINGS, tomlkit.dumps(document).encode())

    def _read(self) -> None:
        rows: dict[str, list[Row]] = {}
        problems: dict[str, list[Problem]] = {}
        for row in read_rows(self.root):
            rows.setdefault(base_of(row), []).append(row)
        if (self.root / PROBLEMS).is_file():
            for line in read_table(self.root / PROBLEMS, Problem._fields):
                problems.setdefault(line[0], []).append(Problem(*line))
        for base in rows | problems:
            self.done[base] = Done(tuple(rows.get(base, ())), tuple(problems.get(base, ())))
        self._sound = 0  # bytes of the journal that hold whole entries; a kill can tear the last
        if (self.root / JOURNAL).is_file():
            for entry in (self.root / JOURNAL).read_bytes().splitlines(keepends=True):
                if not self._take(entry):
                    break
                self._sound += len(entry)

    def _take(self, line: bytes) -> bool:
        """One line of the journal; False if it is torn, or not of our making."""
        try:
            entry = json.loads(line)
            if not line.endswith(b"\n"):
                return False
            if "redo" in entry:
                self.done.pop(entry["redo"], None)
                return True
            rows = tuple(Row(*(sys.intern(text) for text in row)) for row in entry["rows"])
            problems = tuple(Problem(*(sys.intern(text) for text in problem)) for problem in entry["problems"])
            if any(row.file != place(row.category, row.key) for row in rows):
                return False
            self.done[entry["key"]] = Done(rows, problems)
        except (ValueError, TypeError, KeyError):
            return False
        return True


def base_of(row: Row) -> str:
    """The key of the sample a row came from: without the frame's number where it is a video's."""
    return row.key.rpartition("#")[0] if is_video(row.source) else row.key


def _read_settings(path: Path) -> tuple[Settings, dict[str, int]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**{field.name: document[field.name] for field in fields(Settings)})
        limits = dict(document["per_category"])
        if not all(type(limit) is int for limit in limits.values()):
            raise TypeError("per_category holds something else than numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path} cannot be read: {error}", "cut into a new folder") from error
    return settings, limits


def _compare(root: Path, there: Settings, asked: Settings) -> None:
    """Refuse to mix. The version is for the reader alone."""
    for name in ("detector", "margin", "frames", "seed"):
        old, new = getattr(there, name), getattr(asked, name)
        if old != new:
            raise Refused(
                f"{root} was cut with {name} {old!r}; asked for now: {new!r}",
                "cut into another folder, or with the same settings (they are in cut.toml)",
            )


def limits_agree(root: Path, before: dict[str, int], asked: Iterable[str], limit: int) -> None:
    """Refuse fewer faces than before: none are thrown away. `limit` 0 = all."""
    for category in asked:
        old = before.get(category, limit)
        if limit != old and limit and (not old or limit < old):
            raise Refused(
                f"{root} was cut with per_category {old or 'all'} ({category}); asked for now: {limit}",
                "ask for as many or more, or cut into another folder",
            )
