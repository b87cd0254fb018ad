"""What `kce audit` finds of misleading names where the truth is known: prints JSON, precision, recall and false alarms.

``python tests/benchmarks/audit_findings.py [--worlds 20] [--separations 1.5 2 3 4 6 8] [--stretch 0.3 1]``: worlds of
`kce.clouds` with 16 categories in 4 datasets that move and alter them (shift 6, stretch as told), as many of them with
three pairs of names that mislead in either way (homonyms, synonyms) as without any. A finding is right if the processes
say so. Intervals are Wilson's, 95 %: of precision and recall over findings, taken as independent, and of false alarms
over worlds whose names are all true, of which one with any finding counts. About 10 s a world on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from itertools import combinations
from typing import Any

from scipy.stats import binomtest

from kce import clouds
from kce.audit import AGREE, DIFFER, audit
from kce.labels import parts

FIRST = 1000  # seeds from here: no margin was set on these worlds
SHIFT = 6.0


def true_findings(made: clouds.World) -> set[tuple[str, str, str]]:
    """(kind, category, category) of every two categories of different datasets whose names mislead."""
    told = parts(made.features)
    answer = set()
    for a, b in combinations(sorted(made.process), 2):
        if told[a].dataset != told[b].dataset:
            named, alike = told[a].method == told[b].method, made.process[a] == made.process[b]
            if named != alike:
                answer.add((DIFFER if named else AGREE, a, b))
    return answer


def found(made: clouds.World) -> tuple[set[tuple[str, str, str]], Counter[str]]:
    """What the audit says, and how many pairs of each relation there are."""
    report, _ = audit([made.features, made.reals], 0)
    said = {(one["kind"], one["a"], one["b"]) for one in report["findings"]}
    return said, Counter(pair["relation"] for pair in report["pairs"])


def share(hits: int, n: int) -> dict[str, Any] | None:
    """The share, its n and its interval; None of nothing."""
    if not n:
        return None
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return {"value": round(hits / n, 4), "n": n, "interval": [round(low, 4), round(high, 4)]}


def measured(worlds: int, **dials: Any) -> dict[str, Any]:
    """The figures of one setting."""
    right, said, true, relations = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    alarms = 0
    for number in range(worlds):
        seed = FIRST + number
        made = clouds.draw(clouds.Dials(homonyms=3, synonyms=3, **dials), seed, views=False)
        its, kinds = found(made)
        wanted = true_findings(made)
        for kind in (DIFFER, AGREE):
            right[kind] += sum(one[0] == kind for one in its & wanted)
            said[kind] += sum(one[0] == kind for one in its)
            true[kind] += sum(one[0] == kind for one in wanted)
        relations += kinds
        alarms += bool(found(clouds.draw(clouds.Dials(**dials), seed, views=False))[0])
    return {
        **{
            kind: {"precision": share(right[kind], said[kind]), "recall": share(right[kind], true[kind])}
            for kind in (DIFFER, AGREE)
        },
        "worlds of true names with a finding": share(alarms, worlds),
        "relations": dict(sorted(relations.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--separations", type=float, nargs="+", default=[1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
    parser.add_argument("--stretch", type=float, nargs="+", default=[0.3, 1.0])
    asked = parser.parse_args()
    told = []
    for stretch in asked.stretch:
        for separation in asked.separations:
            dials = {"separation": separation, "shift": SHIFT, "stretch": stretch}
            told.append({**dials, **measured(asked.worlds, **dials)})
            print(json.dumps(told[-1]), file=sys.stderr, flush=True)  # noqa: T201
    print(json.dumps({"first_seed": FIRST, "worlds": asked.worlds, "figures": told}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
