"""Results of many cells in a folder, a line each: what is there is not computed again, and a kill spoils nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kce.errors import BadData, Refused
from kce.system.atomic import write_atomic, write_json

_FILE, _MADE = "cells.jsonl", "bench.json"


def settle(folder: Path, made: Mapping[str, Any]) -> None:
    """Make a folder for results that were made in this way. Raises Refused for one that holds others."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _MADE
    if path.is_file():
        there = json.loads(path.read_text(encoding="utf-8"))
        unlike = [key for key in {**made, **there} if made.get(key) != there.get(key)]
        if unlike:
            told = "; ".join(f"{key} {there.get(key)}, here {made.get(key)}" for key in unlike)
            raise Refused(
                f"{folder} holds results that were made otherwise: {told}",
                "name another folder, and lay the two side by side with `kce bench compare`",
            )
    write_json(path, made)


def begin(folder: Path) -> dict[str, dict[str, Any]]:
    """The results a folder holds, by their "id". Its file is written anew: a line that a kill cut short would spoil the
    next one."""
    kept = {result["id"]: result for result in _lines(folder)}
    write_atomic(folder / _FILE, "".join(json.dumps(result) + "\n" for result in kept.values()).encode())
    return kept


def add(folder: Path, results: Sequence[Mapping[str, Any]]) -> None:
    with (folder / _FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)


def ids(folder: Path) -> set[str]:
    """The ids of the results a folder holds; none of one that is not there."""
    return {result["id"] for result in _lines(folder)}


def read(folder: Path, field: str = "id") -> list[dict[str, Any]]:
    """All results of a folder. Raises BadData where there are none, or none that have this field."""
    found = list({result["id"]: result for result in _lines(folder)}.values())
    if not any(field in result for result in found):
        kind = f"{len(found)} results of another bench" if found else "no results of a bench"
        raise BadData(f"{folder} holds {kind}", "`kce bench clusterers --to FOLDER` makes them")
    return found


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    if not (folder / _FILE).is_file():
        return
    for line in (folder / _FILE).read_text(encoding="utf-8").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "id" in found:
            yield found
