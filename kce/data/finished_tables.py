"""Whether the tables of a face folder are whole: ``cut.toml`` records the rows and the hash of each finished one."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from kce.errors import BadData, KCEError
from kce.system.regular import open_regular, read_regular, read_regular_text

FACES, PROBLEMS = "faces.csv", "problems.csv"
SETTINGS, SETTINGS_COPY, JOURNAL = "cut.toml", ".cut.toml", "cut.journal"

TABLES = "tables"
"""The last table of ``cut.toml``: where it is missing, the file was cut off."""

_MINE = f"if you changed it on purpose, rename {SETTINGS}: the folder is then your own, which `kce cut` leaves alone"

_log = logging.getLogger("kce.data.finished_tables")


@dataclass(frozen=True)
class TableRecord:
    """What is recorded of a table, or of the rows of one category in it.

    Attributes:
        rows: Number of rows.
        hash: xxh3_128 of the file, or of the lines; empty = there is no such table yet.
    """

    rows: int = 0
    hash: str = ""


def read_settings_table(folder: Path) -> dict[str, Any] | None:
    """Read ``cut.toml``, or its copy where it is damaged; None if a folder has none, since ``kce cut`` did not make it.

    Raises:
        BadData: Both are damaged.
    """
    if not (folder / SETTINGS).is_file():
        return None
    reasons = []
    for name in (SETTINGS, SETTINGS_COPY):
        try:
            settings = tomllib.loads(read_regular_text(folder / name))
        except FileNotFoundError:
            reasons.append("there is no copy")
        except ValueError as error:  # of UTF-8, or of TOML
            reasons.append(str(error))
        else:
            tables = settings.get(TABLES)
            if isinstance(tables, dict) and tables.keys() >= {FACES, PROBLEMS}:
                if reasons:
                    _log.warning("%s is damaged (%s): its copy %s is used", folder / SETTINGS, reasons[0], name)
                return settings
            reasons.append(f"its end, with the record of {FACES}, is missing")
    raise BadData(
        f"{folder / SETTINGS} is damaged ({reasons[0]}), and so is its copy {SETTINGS_COPY} ({reasons[1]})",
        f"put back a saved {SETTINGS}, or cut into a new folder; or rename it: the folder is then your own, whose "
        "faces.csv nobody checks",
    )


def hash_file(path: Path) -> str:
    """The hash of a file, as a ``TableRecord`` has it."""
    total = xxhash.xxh3_128()
    with open_regular(path) as file:
        while block := file.read(2**20):
            total.update(block)
    return total.hexdigest()


def check_finished_table(path: Path) -> None:
    """Check that a table is as ``kce cut`` finished it; a table in a folder without ``cut.toml`` is anybody's own.

    Raises:
        KCEError: A cut into the folder was interrupted before it finished the table, or is running.
        BadData: The table was cut off, damaged, edited or lost since.
    """
    settings = read_settings_table(path.parent)
    tables = settings.get(TABLES) if settings else None
    record = tables.get(path.name) if isinstance(tables, dict) else None
    exists = path.exists()
    if isinstance(record, dict):
        if exists and hash_file(path) == record.get("hash"):
            return
    elif exists or path.name != FACES:
        return
    if (path.parent / JOURNAL).is_file():
        raise KCEError(
            f"a cut into {path.parent} was interrupted, or is running",
            "wait for it, or start the same `kce cut` again: it continues",
        )
    if not isinstance(record, dict):
        return
    if not exists:
        raise BadData(f"there is no {path}, though `kce cut` made it", f"the same `kce cut` makes it again; {_MINE}")
    lines = read_regular(path).count(b"\n")
    raise BadData(
        f"{path} is not as `kce cut` finished it: it has {max(lines - 1, 0)} lines below the first, and there were "
        f"{record.get('rows')} faces; it was cut off, damaged or edited",
        f"the same `kce cut` cuts again what it lacks; {_MINE}",
    )
