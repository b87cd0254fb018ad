"""The tables and the figure of a benchmark of clusterers, from its leaderboards and its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.bench.pairs import EntryDifference, differences_table
from kce.evaluation.agreement import AGREEMENT_MEASURES
from kce.evaluation.formatting import MISSING, describe_missing_intervals, format_interval, format_number
from kce.registry import defaults
from kce.report.charts import Bars, Chart, ReportFigure, ReportTable
from kce.system.documents import model_from_table

if TYPE_CHECKING:
    Results = Sequence[Mapping[str, Any]]

ENTRY = ("aligner", "reducer", "clusterer")
"""What makes an entry of a leaderboard."""
MEASURES = (*AGREEMENT_MEASURES, "noise")
_SHOWN = ("ami", "accuracy")  # of the measures, beside the ARI


def entry_names(entries: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Name entries by what they have: "real-anchor, pca, kmeans", or "kmeans" alone; in full where two were alike.

    Args:
        entries: (aligner, reducer, clusterer, ...) each.
    """
    omitted = (defaults.NO_ALIGNER, defaults.NO_REDUCER)
    short = {entry: ", ".join(part for part in entry[: len(ENTRY)] if part not in omitted) for entry in entries}
    count = Counter(short.values())
    return {entry: name if count[name] == 1 else ", ".join(entry) for entry, name in short.items()}


def board_tables(k: str, board: Mapping[str, Any]) -> list[ReportTable]:
    """Make the tables of a leaderboard: its entries, and the differences of all pairs; `k` is its name."""
    if not board["rows"]:
        return []
    tables = [leaderboard_table(k, board)]
    if board["differences"]:
        differences = [model_from_table(row, EntryDifference, "the leaderboard") for row in board["differences"]]
        note = (
            f"{board['verdict']} Paired over n worlds; p values before and after Holm's correction for all pairs of "
            "this table: t test, and a permutation test that flips signs."
        )
        title = f"Differences of all pairs, number of clusters {k}"
        tables.append(differences_table(f"differences-k-{k}", title, note, differences))
    return tables


def leaderboard_table(k: str, board: Mapping[str, Any]) -> ReportTable:
    """Make the table of a leaderboard; `k` is its name."""
    critical = board["ranks"]["critical_difference"]
    note = (
        f"{board['verdict']} ARI against {', '.join(board['truth'])}: mean over n worlds with its 95 % interval (t "
        "over worlds)."
    )
    note += describe_missing_intervals([row["interval"] for row in board["rows"]], "worlds")
    if critical is not None:
        note += f" Mean ranks that differ by {critical:.2f} or more differ significantly (Nemenyi, 5 %)."
    head = ("clusterer", "aligner", "reducer", "mean rank", "ARI", "95 % interval", "n", "AMI", "accuracy", "stability",
            "subsample", "seconds", "peak MiB", "failed")  # fmt: skip
    rows = [
        (
            row["clusterer"], row["aligner"], row["reducer"], format_number(row["rank"], ".2f"), f"{row['ari']:.3f}",
            format_interval(row["interval"], ".3f"), str(row["worlds"]),
            *(format_number(row["measures"][name], ".3f") for name in _SHOWN),
            *(format_number(row[name], ".3f") for name in ("stability", "subsample", "seconds")),
            format_number(row["peak_mib"], ".0f"), f"{row['failed']}/{row['cells']}",
        )
        for row in board["rows"]
    ]  # fmt: skip
    records = []
    for row in board["rows"]:
        low, high = row["interval"] or (None, None)
        record = {name: row[name] for name in ("clusterer", "aligner", "reducer", "k", "rank", "ari")}
        record |= {"low": low, "high": high, **{name: row[name] for name in ("worlds", "cells", "failed")}}
        record |= {name: row["measures"][name] for name in MEASURES if name != "ari"}
        others = ("stability", "subsample", "seconds", "peak_mib", "clusters_off")
        records.append({**record, **{name: row[name] for name in others}})
    numeric = [column > 2 for column in range(len(head))]
    return ReportTable(f"leaderboard-k-{k}", f"Number of clusters {k}", note, head, rows, numeric, records)


def world_tables(results: Results) -> Iterator[ReportTable]:
    """Make a table for each world: every entry on it, the best first, with its lowest and highest ARI over seeds."""
    for world in sorted({result["world"] for result in results}):
        groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for result in results:
            if result["world"] == world:
                groups.setdefault((*(result[name] for name in ENTRY), result["k"]), []).append(result)
        records = sorted(
            (_world_record(world, entry, cells) for entry, cells in groups.items()),
            key=lambda record: (record["k"], -record["ari"], record["clusterer"]),
        )
        head = ("clusterer", "aligner", "reducer", "k", "ARI", "lowest", "highest", "n", "AMI", "accuracy", "clusters",
                "seconds", "peak MiB", "failed")  # fmt: skip
        rows = [
            (
                *(record[name] for name in ("clusterer", "aligner", "reducer", "k")),
                *(f"{record[name]:.3f}" for name in ("ari", "lowest", "highest")), str(record["n"]),
                *(format_number(record[name], ".3f") for name in _SHOWN), format_number(record["clusters"], ".3g"),
                format_number(record["seconds"], ".3f"), format_number(record["peak_mib"], ".0f"),
                f"{record['failed']}/{record['n']}" if record["failed"] else MISSING,
            )
            for record in records
        ]  # fmt: skip
        note = (
            "Mean over n seeds with the lowest and the highest; a failed one counts 0. One world says nothing about "
            "others."
        )
        numeric = [column > 3 for column in range(len(head))]
        yield ReportTable(f"world-{_file_name(world)}", f"World {world}", note, head, rows, numeric, records)


def _world_record(world: str, entry: tuple[str, ...], cells: Results) -> dict[str, Any]:
    ok = [cell for cell in cells if cell["status"] == "ok"]
    scores = [main_scores(cell)["ari"] if cell["status"] == "ok" else 0.0 for cell in cells]
    peaks = [cell["peak_mib"] for cell in ok if cell["peak_mib"] is not None]
    return {
        "world": world,
        **dict(zip((*ENTRY, "k"), entry, strict=True)),
        "ari": float(np.mean(scores)),
        "lowest": min(scores),
        "highest": max(scores),
        "n": len(cells),
        **{name: mean_or_none([main_scores(cell)[name] for cell in ok]) for name in MEASURES if name != "ari"},
        "clusters": mean_or_none([cell["clusters"] for cell in ok]),
        "classes": ok[0]["classes"] if ok else None,
        "rows": ok[0]["n"] if ok else None,
        "seconds": float(np.median([cell["seconds"] for cell in ok])) if ok else None,
        "peak_mib": max(peaks, default=None),
        "failed": len(cells) - len(ok),
    }


def main_scores(cell: Mapping[str, Any]) -> Mapping[str, float]:
    """The scores against the first truth."""
    scores: Mapping[str, float] = next(iter(cell["scores"].values()))
    return scores


def mean_or_none(values: Sequence[float]) -> float | None:
    """The mean; None of no values."""
    return float(np.mean(values)) if values else None


def _file_name(world: str) -> str:
    """A world's name for a file; one that has other characters gets a hash of it, so that no two are alike."""
    name = re.sub(r"[^0-9A-Za-z.@=-]+", "_", world)
    return name if name == world and len(name) < 60 else f"{name[-40:]}-{xxhash.xxh3_64_hexdigest(world.encode())[:8]}"


def cells_table(results: Results) -> ReportTable:
    """Make the table of all cells, for programs: a record for each cell and truth."""
    records: list[dict[str, Any]] = []
    for result in results:
        shared = {name: result[name] for name in ("world", *ENTRY, "k", "seed", "status", "reason")}
        measured = {
            name: result.get(name)
            for name in ("n", "classes", "requested", "clusters", "seconds", "peak_mib", "subsample")
        }
        scores = result.get("scores") or {"": {}}
        records += [
            {**shared, **measured, "truth": truth, **{name: values.get(name) for name in MEASURES}}
            for truth, values in scores.items()
        ]
    head = tuple(records[0]) if records else ()
    rows = [["" if value is None else str(value) for value in record.values()] for record in records]
    return ReportTable(
        "cells", "All cells", "One row for each cell and truth.", head, rows, [False] * len(head), records
    )


def ari_figure(boards: Mapping[str, Any]) -> ReportFigure:
    """Draw the mean ARI of every entry with its interval over worlds."""
    variants: dict[str, Chart] = {}
    for k, board in boards.items():
        if board["rows"]:
            bars = [(row["ari"], *(row["interval"] or (row["ari"], row["ari"]))) for row in board["rows"]]
            names = list(entry_names(tuple(row[name] for name in (*ENTRY, "k")) for row in board["rows"]).values())
            variants[f"number of clusters {k}"] = Bars(names, {"ARI": bars}, "mean ARI over worlds")
    note = "Best mean rank first; error bars are 95 % intervals over worlds."
    return ReportFigure("ari", "Agreement with the truth", note, variants)
