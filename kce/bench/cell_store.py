"""Results of benchmark cells in a folder, one per line: finished cells are not repeated, and a kill loses no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from kce.errors import BadData, MachineFault, Refused
from kce.system.atomic import write_atomic
from kce.system.documents import Document, document_to_table, model_from_table, read_document, write_document
from kce.system.lock import make_folder
from kce.system.machine_faults import AGAIN
from kce.system.regular import append_regular, read_regular_text, require_inside

_CELLS = "cells.jsonl"
RECORD = "bench.json"
"""The file that says how the results of a folder were made."""


@dataclass(frozen=True)
class BenchRecord(Document):
    """``bench.json``: how the results of a folder were made.

    Attributes:
        bench: Which benchmark.
        versions: Library -> version, of those that can change a result.
        recipe: What else decides about a result.
        parts: "kind NAME:key=value" of every component that took part -> the distribution or file it was of.
    """

    NOUN = "the record of a benchmark"
    HINT = "`kce bench` writes it"
    bench: Literal["clusterers", "aligners", "tracers"]
    versions: Mapping[str, str]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)


def claim_bench_folder(folder: Path, record: BenchRecord) -> None:
    """Prepare a folder for results that are made in this way.

    Raises:
        Refused: If its results were made with different settings; the message shows what differs.
    """
    make_folder(folder)
    require_inside(folder, RECORD, _CELLS)
    path = folder / RECORD
    if path.is_file():
        here, existing = document_to_table(record), document_to_table(read_document(path, BenchRecord))
        own, before = here.pop("parts"), existing.pop("parts")
        for made in (here, existing):  # so that an error shows what differs, and not two whole recipes
            made |= {f"recipe.{key}": value for key, value in made.pop("recipe").items()}
        keys = dict.fromkeys((*existing, *here))
        differing = {key: (existing.get(key), here.get(key)) for key in keys if here.get(key) != existing.get(key)}
        differing |= {part: (before[part], own[part]) for part in own if before.get(part, own[part]) != own[part]}
        if differing:
            shown = "; ".join(f"{key} {then}, now {now}" for key, (then, now) in differing.items())
            hint = ", and compare the two with `kce bench compare`" if record.bench == "clusterers" else ""
            raise Refused(
                f"{folder} has results that were made with different settings: {shown}", f"use another folder{hint}"
            )
        record = replace(record, parts={**before, **own})
    write_document(path, record)


def load_finished_cells(folder: Path, model: type[Any]) -> dict[str, dict[str, Any]]:
    """Load the results of a folder, by id, and rewrite the file without a last line that a kill cut short.

    Args:
        folder: Folder of the benchmark.
        model: The dataclass of a result.

    Raises:
        BadData: If a complete line is not such a result.
    """
    results = {result["id"]: result for result in _read_lines(folder, model)}
    lines = "".join(json.dumps(result) + "\n" for result in results.values())
    write_atomic(folder / _CELLS, lines.encode())
    return results


def append_cells(folder: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Append results to those of the folder."""
    with append_regular(folder / _CELLS) as file:
        file.writelines(json.dumps(result).encode() + b"\n" for result in results)


def finished_ids(folder: Path, limit: float = 0) -> set[str]:
    """Return the ids of the stored results that are final under a time limit; none if the folder does not exist."""
    return {result["id"] for result in _parse_lines(folder) if is_final(result, limit)}


def is_final(result: Mapping[str, Any], limit: float = 0) -> bool:
    """Return whether a result stays: one that was late does not if it has more seconds now than it had."""
    return result["status"] != "timeout" or (result.get("limit") or 0) >= limit


def raise_if_stopped(results: Sequence[Mapping[str, Any]]) -> None:
    """Raise MachineFault if cells were stopped by the system, which is no result of theirs and is not stored."""
    reasons = [result["reason"] for result in results if result["status"] == "stopped"]
    if reasons:
        raise MachineFault(
            f"{len(reasons)} of {len(results)} cells were stopped by the system: {reasons[0]}",
            f"they count as failed above; free some memory, or use fewer workers: {AGAIN}",
        )


def read_cells(folder: Path, bench: str, model: type[Any]) -> list[dict[str, Any]]:
    """Read all results of a folder.

    Args:
        folder: Folder of the benchmark.
        bench: The benchmark that must have written them.
        model: The dataclass of a result.

    Raises:
        BadData: If there are none, or another benchmark wrote them.
    """
    hint = f"`kce bench {bench} --to FOLDER` makes them"
    if not (folder / RECORD).is_file():
        raise BadData(f"{folder} has no results of a benchmark", hint)
    record = read_document(folder / RECORD, BenchRecord)
    if record.bench != bench:
        raise BadData(f"{folder} has results of another benchmark: {record.bench}", hint)
    results = {result["id"]: result for result in _read_lines(folder, model)}
    if not results:
        raise BadData(f"{folder} has no results of a benchmark", hint)
    return list(results.values())


def _read_lines(folder: Path, model: type[Any]) -> Iterator[dict[str, Any]]:
    for number, result in enumerate(_parse_lines(folder), 1):
        model_from_table(result, model, f"{folder / _CELLS}, result {number}")
        yield result


def _parse_lines(folder: Path) -> Iterator[dict[str, Any]]:
    if not (folder / _CELLS).is_file():
        return
    for line in read_regular_text(folder / _CELLS).splitlines():
        try:
            result = json.loads(line)
        except ValueError:  # a kill cut it short
            continue
        if isinstance(result, dict) and "id" in result:
            yield result
