"""What `kce audit` finds of misleading names where the truth is known: prints JSON, precision, recall and false alarms.

``python tests/benchmarks/audit_findings.py [--worlds 20] [--separations 1.5 2 3 4 6 8] [--stretch 0.3 1]``: worlds of
`kce.bench.synthetic` with 16 categories in 4 datasets that move and alter them (shift 6, stretch as told), as many of
them with
three pairs of names that mislead in either way (homonyms, synonyms) as without any. A finding is right if the methods
say so. Intervals are Wilson's, 95 %: of precision and recall over findings, taken as independent, and of false alarms
over worlds whose names are all true, of which one with any finding counts. About 10 s a world on one core.

``--pictures FOLDER`` audits instead the features that ``kce bench aligners --to FOLDER`` left behind: of drawn faces
or photographs, through trained networks, by the way datasets were stored and the training. Half a minute a network.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest

from kce.audit.audit import AGREE, DIFFER, audit_tables
from kce.bench import synthetic
from kce.bench.aligner_cells import AlignResult, AlignSetting
from kce.bench.cell_store import read_cells
from kce.bench.drawn_faces import read_methods
from kce.bench.world_parameters import FeatureWorldParameters
from kce.features.streams import StoredRows
from kce.features.table import find_table
from kce.labels import label_parts
from kce.merging.plans import by_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kce.types import FeatureStream

FIRST = 1000  # seeds from here: no margin was set on these worlds
SHIFT = 6.0


def true_findings(rows: FeatureStream, method: Mapping[str, str]) -> set[tuple[str, str, str]]:
    """(kind, category, category) of every two categories of different datasets whose names mislead."""
    told = label_parts(rows)
    called = by_name({category: told[category].method for category in told}).classes
    answer = set()
    for a, b in combinations(rows.categories, 2):
        if told[a].dataset != told[b].dataset:
            named, alike = called[a] == called[b], method[a] == method[b]
            if named != alike:
                answer.add((DIFFER if named else AGREE, a, b))
    return answer


def found(*tables: FeatureStream) -> tuple[set[tuple[str, str, str]], Counter[str]]:
    """What the audit says, and how many pairs of each relation there are."""
    report, _ = audit_tables(tables, 0)
    said = {(one["kind"], one["a"], one["b"]) for one in report["findings"]}
    return said, Counter(pair["relation"] for pair in report["pairs"])


def share(hits: int, n: int) -> dict[str, Any] | None:
    """The share, its n and its interval; None of nothing."""
    if not n:
        return None
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return {"value": round(hits / n, 4), "n": n, "interval": [round(low, 4), round(high, 4)]}


class Tally:
    """Findings said, true, and both, over worlds."""

    def __init__(self) -> None:
        self.right, self.said, self.true, self.relations = (Counter[str]() for _ in range(4))

    def add(self, tables: tuple[FeatureStream, ...], method: Mapping[str, str]) -> None:
        its, kinds = found(*tables)
        wanted = true_findings(tables[0], method)
        for counts, findings in ((self.right, its & wanted), (self.said, its), (self.true, wanted)):
            counts.update(kind for kind, _, _ in findings)
        self.relations += kinds

    def told(self) -> dict[str, Any]:
        shares = {
            kind: {
                "precision": share(self.right[kind], self.said[kind]),
                "recall": share(self.right[kind], self.true[kind]),
            }
            for kind in (DIFFER, AGREE)
        }
        return {**shares, "relations": dict(sorted(self.relations.items()))}


def measured(worlds: int, **dials: Any) -> dict[str, Any]:
    """The figures of one setting."""
    tally, alarms = Tally(), 0
    for number in range(worlds):
        seed = FIRST + number
        made = synthetic.make_feature_world(FeatureWorldParameters(homonyms=3, synonyms=3, **dials), seed, views=False)
        tally.add((made.features, made.reals), made.method)
        true = synthetic.make_feature_world(FeatureWorldParameters(**dials), seed, views=False)
        alarms += bool(found(true.features, true.reals)[0])
    return {**tally.told(), "worlds of true names with a finding": share(alarms, worlds)}


def pictured(folder: Path) -> list[dict[str, Any]]:
    """The figures of every kind of artefact and training in the folder of a bench of aligners, and of all kinds."""
    fields = ("kind", "amount", "training", "world", "net")
    settings = sorted({tuple(cell[name] for name in fields) for cell in read_cells(folder, "aligners", AlignResult)})
    tallies: dict[tuple[Any, ...], Tally] = {}
    for kind, amount, training, world, net in settings:
        truth = read_methods(folder, world)
        runs = sorted((folder / AlignSetting(world, kind, amount, training, net).runs).glob("*/features.h5"))
        tables = [next(filter(None, (find_table(path, name) for path in runs)), None) for name in ("known", "reals")]
        if None not in tables:
            rows = tuple(StoredRows.all_of(table) for table in tables if table is not None)
            for place in ((kind, amount, training), ("all", None, training)):
                tallies.setdefault(place, Tally()).add(rows, truth)
    return [
        {"kind": kind, "amount": amount, "training": training, **tally.told()}
        for (kind, amount, training), tally in tallies.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--separations", type=float, nargs="+", default=[1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
    parser.add_argument("--stretch", type=float, nargs="+", default=[0.3, 1.0])
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    if asked.pictures:
        print(json.dumps({"figures": pictured(asked.pictures)}, indent=1))  # noqa: T201
        return
    told = []
    for stretch in asked.stretch:
        for separation in asked.separations:
            dials = {"separation": separation, "shift": SHIFT, "stretch": stretch}
            told.append({**dials, **measured(asked.worlds, **dials)})
            print(json.dumps(told[-1]), file=sys.stderr, flush=True)  # noqa: T201
    print(json.dumps({"first_seed": FIRST, "worlds": asked.worlds, "figures": told}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
