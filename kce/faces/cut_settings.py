"""``cut.toml``: how the faces of a folder were cut, and what its finished tables hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import tomlkit

from kce.data.finished_tables import FACES, PROBLEMS, SETTINGS, SETTINGS_COPY, TABLES, TableRecord
from kce.errors import Refused
from kce.system.documents import Document, document_to_table, write_table


@dataclass(frozen=True)
class CutSettings(Document):
    """What all faces of a folder have in common, and what its finished tables hold.

    Attributes:
        detector: The detector with all its parameters.
        frames: Frames per video.
        seed: Seed of the random order in which samples are cut.
        margin: Side of a crop, in units of the longer side of the face.
        kce: Version of KCE, for information.
        worlds: Dataset -> what the synthetic world that it is of was made from; datasets of files are not there.
        per_category: Category -> number of faces that were requested; 0 = all.
        categories: Category -> its faces, and the hash of its lines in both tables.
        tables: File -> its rows and hash.
    """

    NOUN: ClassVar[str] = "the settings file of a face folder"
    HINT: ClassVar[str] = "cut into a new folder"

    detector: str
    frames: int
    seed: int
    margin: float
    kce: str
    worlds: Mapping[str, str] = field(default_factory=dict)
    per_category: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, TableRecord] = field(default_factory=dict)
    tables: Mapping[str, TableRecord] = field(default_factory=lambda: {PROBLEMS: TableRecord(), FACES: TableRecord()})


def write_cut_settings(root: Path, settings: CutSettings) -> None:
    """Write ``cut.toml`` and its copy."""
    document = tomlkit.document()
    document.add(tomlkit.comment("How these faces were cut. `kce cut` adds faces that are cut in the same way."))
    comments = {
        "worlds": "what the synthetic world of a dataset was made from",
        "per_category": "number of faces requested; 0 = all",
        "categories": "faces, and a hash of the lines in faces.csv and problems.csv",
        TABLES: "rows, and a hash of the file",  # the last one: without it, the file was cut off
    }
    for name, value in document_to_table(settings).items():
        if name == "worlds" and not value:
            continue
        if name not in comments:
            document.add(name, tomlkit.item(value))
            continue
        table = tomlkit.table()
        table.add(tomlkit.comment(comments[name]))
        for key, entry in value.items():
            line = tomlkit.inline_table() if isinstance(entry, Mapping) else entry
            if isinstance(entry, Mapping):
                line.update(entry)
            table.add(key, line)
        document.add(name, table)
    for name in (SETTINGS_COPY, SETTINGS):
        write_table(root / name, document)


def refuse_other_settings(root: Path, existing: CutSettings, requested: CutSettings) -> None:
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


def refuse_other_worlds(root: Path, settings: CutSettings, there: Collection[str], worlds: Mapping[str, str]) -> None:
    """Refuse to mix faces of different synthetic worlds: their keys are the same, and what is behind them is not.

    Args:
        root: The face folder.
        settings: Its settings.
        there: The datasets that it has faces of.
        worlds: Dataset that is to be cut -> what its world was made from; empty = it is of files.

    Raises:
        Refused: The folder has faces of one of these datasets from elsewhere.
    """
    for dataset, made_from in worlds.items():
        if dataset in there and settings.worlds.get(dataset, "") != made_from:
            now = "recorded as those of this synthetic world" if made_from else "of files, but of a synthetic world"
            raise Refused(f"{root} has faces of {dataset} that are not {now}", "cut into a new folder")
