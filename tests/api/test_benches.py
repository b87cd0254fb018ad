"""Benches, audits and studies from Python: frames and documents say the same."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kce
from kce.api.study import StudyResult


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    to = tmp_path_factory.mktemp("bench")
    return kce.bench(world="small", clusterer="kmeans", seeds=1, to=to, progress=False)


def test_a_ranking_is_what_its_folder_holds(ranked: Any) -> None:
    stored = json.loads((ranked.folder / "leaderboard.json").read_text())
    assert {k: stored[k] for k in ("known", "unknown")} == ranked.leaderboards
    frame = ranked.to_frame()
    assert frame.ari.tolist() == [row["ari"] for board in ranked.leaderboards.values() for row in board["rows"]]
    assert {"low", "high", "seconds", "worlds"} <= set(frame.columns)
    assert [table.rows for table in ranked.tables()]


def test_benches_are_compared(ranked: Any) -> None:
    compared = kce.bench.compare(ranked.folder, ranked.folder)
    assert set(compared.to_frame().difference) == {0.0}


def test_a_bench_is_called_like_that_of_clusterers() -> None:
    assert inspect.signature(kce.bench) == inspect.signature(kce.bench.clusterers)
    assert kce.bench.__doc__ == kce.bench.clusterers.__doc__


@pytest.mark.parametrize("choice", [{"seeds": 0}, {"workers": 0}, {"limit": 0}, {"limit": float("nan")}])
def test_numbers_that_cannot_be_are_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(kce.KCEError, match=next(iter(choice))):
        kce.bench(world="small", clusterer="kmeans", progress=False, **choice)


def audited(to: Path | None = None) -> Any:
    random = np.random.default_rng(0)
    label = np.repeat(["A_real", "A_swap", "B_real", "B_swap"], 40)
    x = random.normal(0, 1, (160, 4))
    x[40:80, 0] += 4
    x[120:, 0] += 4
    group = [f"{name[0]}:{row // 2}" for row, name in enumerate(label)]
    return kce.audit(kce.Features.from_arrays(x, label, group=group), to=to)


def test_an_audit_is_what_its_folder_holds(at: Path) -> None:
    made = audited(at / "audit")
    stored = json.loads((at / "audit" / "audit.json").read_text())
    assert {key: stored[key] for key in made.to_dict()} == made.to_dict()
    assert made.to_frame().relation.tolist() == [pair["relation"] for pair in made.pairs]
    assert made.plan == stored["plan"]


def test_stored_tables_are_audited_like_those_in_memory(at: Path) -> None:
    random = np.random.default_rng(0)
    for number, name in enumerate("AB"):
        label = np.repeat([f"{name}_real", f"{name}_swap"], 40)
        x = random.normal(0, 1, (80, 4)) + 4 * (label == f"{name}_swap")[:, None]
        key = [f"{name}-{row}" for row in range(80)]
        kce.Features.from_arrays(x, label, key, [f"{name}:{row // 2 + number}" for row in range(80)]).save(
            f"{name}.h5:/t"
        )
    stored = kce.audit(["A.h5:/t", Path("B.h5:/t")]).to_dict()
    held = kce.audit([kce.load_features("A.h5:/t"), kce.open_features("B.h5:/t")]).to_dict()
    for found in (stored, held):
        del found["provenance"]["made"]
    assert stored == held


def test_a_dry_run_of_a_study_is_a_table_of_its_runs() -> None:
    planned = kce.study("sun2023", scale="small", dry_run=True, progress=False)
    assert isinstance(planned, StudyResult)
    assert len(planned.to_frame()) == len(planned.runs) > 10
    assert planned.report is None
    assert planned.tables() == planned.plans == []


@pytest.mark.parametrize(
    ("choices", "said"),
    [({}, "no folder"), ({"to": "s"}, "no faces"), ({"to": "s", "faces": "f", "cache": "much"}, "not a size")],
)
def test_a_study_that_cannot_be_is_refused(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(kce.KCEError, match=said):
        kce.study("sun2023", progress=False, **choices)
