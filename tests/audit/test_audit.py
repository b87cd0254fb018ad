"""The audit of names: what it finds where the truth is known, and what it must not say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kce.audit.audit import AGREE, DIFFER, audit_tables
from kce.audit.audit_report import AuditReport
from kce.audit.traces import JoinedTables, compute_traces
from kce.bench import synthetic
from kce.bench.world_parameters import FeatureWorldParameters
from kce.errors import BadData, KCEError
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table
from kce.labels import label_parts
from kce.merging.aligner_inputs import with_fallback_reals
from kce.merging.plan_file import read_plan
from kce.merging.plans import same_partition
from kce.registry.registry import Registry
from kce.system.documents import document_to_table, read_document
from kce.types import Features, MergePlan

Kce = Callable[..., subprocess.CompletedProcess[str]]
TOLD = FeatureWorldParameters(categories=8, methods=4, datasets=4, rows=60, dim=48, separation=8.0, shift=4.0)


def leaves(report: Any, place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every text and number of a report, by its place."""
    if isinstance(report, dict | list):
        inner = report.items() if isinstance(report, dict) else enumerate(report)
        return {key: one for name, part in inner for key, one in leaves(part, (*place, str(name))).items()}
    return {place: report}


def world(seed: int = 0, **dials: Any) -> synthetic.FeatureWorld:
    return synthetic.make_feature_world(replace(TOLD, **dials), seed, views=False)


def audit_world(made: synthetic.FeatureWorld) -> dict[str, Any]:
    return audit_tables([made.features, made.reals], 0)[0]


def true_findings(made: synthetic.FeatureWorld) -> dict[str, set[tuple[str, str]]]:
    told = label_parts(made.features)
    answer: dict[str, set[tuple[str, str]]] = {DIFFER: set(), AGREE: set()}
    for a, b in combinations(sorted(made.method), 2):
        if told[a].dataset != told[b].dataset:
            named, made_alike = told[a].method == told[b].method, made.method[a] == made.method[b]
            if named != made_alike:
                answer[DIFFER if named else AGREE].add((a, b))
    return answer


def findings(report: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {(one["a"], one["b"]) for one in report["findings"] if one["kind"] == kind}


@pytest.mark.parametrize("seed", range(3))
def test_misleading_names_are_found_and_no_others(seed: int) -> None:
    made = world(seed, homonyms=1, synonyms=2)
    report, wanted = audit_world(made), true_findings(made)
    assert wanted[DIFFER]
    assert wanted[AGREE]
    for kind in (DIFFER, AGREE):
        assert findings(report, kind) == wanted[kind]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_if_names_are_true(seed: int) -> None:
    assert not audit_world(world(seed))["findings"]


def test_the_proposed_plan_is_the_truth_if_all_categories_are_far_apart() -> None:
    made = world(1, homonyms=1, synonyms=2)
    _, plan = audit_tables([made.features, made.reals], 0)
    assert same_partition(plan, MergePlan(made.method))


def test_neither_the_order_of_rows_nor_of_tables_matters() -> None:
    made = world(2, homonyms=1)
    mixed = made.features.take(np.random.default_rng(0).permutation(len(made.features)))
    one, other = (leaves(audit_tables(tables, 0)[0]) for tables in ([made.features, made.reals], [made.reals, mixed]))
    assert one.keys() == other.keys()
    for place, value in one.items():  # sums over batches are rounded in another order
        assert value == (pytest.approx(other[place], rel=1e-4, abs=1e-4) if isinstance(value, float) else other[place])


def test_what_moves_a_whole_dataset_changes_no_relation() -> None:
    made = world(2, homonyms=1, synonyms=1)
    by = np.random.default_rng(1).normal(0, 6, made.features.x.shape[1])

    def moved(rows: Features) -> Features:
        return replace(rows, x=(rows.x + by * (rows.dataset == "set2")[:, None]).astype(np.float32))

    one, other = audit_world(made), audit_tables([moved(made.features), moved(made.reals)], 0)[0]
    assert [pair["relation"] for pair in one["pairs"]] == [pair["relation"] for pair in other["pairs"]]


def test_every_pair_of_two_datasets_is_reported_with_its_scores() -> None:
    made = world(0)
    report = audit_world(made)
    told = label_parts(made.features)
    assert {(pair["a"], pair["b"]) for pair in report["pairs"]} == {
        (a, b) for a, b in combinations(sorted(made.method), 2) if told[a].dataset != told[b].dataset
    }
    for pair in report["pairs"]:
        assert 0 < pair["p"] <= pair["p_holm"] <= 1
        assert -1 <= pair["cosine"] <= 1
        assert pair["interval"][0] <= pair["effect"] <= pair["interval"][1]
        assert pair["n"] > 0
    for cluster in report["clusters"]:
        assert cluster["reason"] or 0 <= cluster["ilisi"]["value"] <= 1


def mixed(made: synthetic.FeatureWorld) -> tuple[Features, set[str]]:
    """The world with two categories of set2 as one, half of the recordings of each; and the methods in it."""
    one, other = [name for name in made.features.categories if name.startswith("set2_")][:2]
    label, group = made.features.label, made.features.group
    half = set(np.unique(group[label == one])[::2].tolist())
    first = np.isin(group, sorted(half))
    rows = made.features.take(((label == one) & first) | ((label == other) & ~first) | ~np.isin(label, [one, other]))
    label = np.where(np.isin(rows.label, [one, other]), "set2_mix", rows.label)
    return Features(rows.key, label, rows.group, rows.x), {made.method[one], made.method[other]}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_category_of_two_processes_contains_those_of_one(seed: int) -> None:
    made = world(seed, categories=16, methods=8, rows=120, dim=64)
    rows, methods = mixed(made)
    report = audit_tables([rows, made.reals], 0)[0]
    held = {name for name, its in made.method.items() if its in methods and not name.startswith("set2_")}
    assert held
    for pair in report["pairs"]:
        names = {pair["a"], pair["b"]}
        if "set2_mix" in names:
            assert pair["relation"] == ("contained" if names & held else "different"), pair
        else:
            assert pair["relation"] not in ("contained", "overlapping")


def test_without_reals_pairs_stay_undecided_and_say_why() -> None:
    made = world(0, homonyms=1)
    report = audit_tables([made.features, made.reals.take(made.reals.dataset != "set1")], 0)[0]
    mine = [pair for pair in report["pairs"] if "set1_" in pair["a"] + pair["b"]]
    assert mine
    assert {pair["relation"] for pair in mine} == {"undecided"}
    assert all("set1 has no reals" in pair["reason"] for pair in mine)


def test_reals_that_the_registry_names_are_used_as_a_fallback(kce: Kce, at: Path) -> None:
    made = world(0, homonyms=1)
    (at / "registry.toml").write_text('[dataset.set1]\nuse = "folder:folder"\nreals = "set2"\n', encoding="utf-8")
    tables = [made.features, made.reals.take(made.reals.dataset != "set1")]
    told = with_fallback_reals(tables, Registry.load(at))
    assert len(told) == 3
    assert set(told[2].label.tolist()) == {"set1_real"}
    np.testing.assert_array_equal(told[2].x, made.reals.x[made.reals.dataset == "set2"])
    report = audit_tables(told, 0)[0]
    assert not any("no reals" in pair["reason"] for pair in report["pairs"])
    assert with_fallback_reals(tables[:1], Registry.load(at)) == tables[:1]


def test_too_few_recordings_are_undecided_with_the_number_needed() -> None:
    made = world(0, rows=15)
    report = audit_world(made)
    assert {pair["relation"] for pair in report["pairs"]} == {"undecided"}
    assert all("3 recordings" in pair["reason"] and "needs" in pair["reason"] for pair in report["pairs"])
    assert not report["findings"]


def test_rows_of_unknown_recordings_are_counted_and_prove_nothing() -> None:
    made = world(1, homonyms=1, synonyms=2)
    unknown = Features(made.features.key, made.features.label, np.full_like(made.features.group, ""), made.features.x)
    report, _ = audit_tables([unknown, made.reals], 0)
    assert report["unknown_recordings"] == len(unknown)
    assert {pair["relation"] for pair in report["pairs"]} == {"undecided"}


def test_one_dataset_constant_features_and_keys_that_stand_twice_are_refused() -> None:
    made = world(0)
    with pytest.raises(BadData):
        audit_tables([made.features.take(made.features.dataset == "set1")], 0)
    with pytest.raises(BadData):
        audit_tables([made.features.with_x(np.ones_like(made.features.x))], 0)
    with pytest.raises(BadData, match="occurs twice"):
        audit_tables([made.features, made.features], 0)
    with pytest.raises(BadData, match="dimensions"):
        audit_tables([made.features, made.reals.with_x(made.reals.x[:, :9])], 0)
    with pytest.raises(KCEError):
        audit_tables([made.features, made.reals], 0, MergePlan({"nobody": "x"}))


def test_stored_tables_are_read_as_their_rows_are_and_lend_their_reals(at: Path) -> None:
    made = world(1, dim=520, rows=20)
    (at / "registry.toml").write_text('[dataset.set1]\nuse = "folder:folder"\nreals = "set2"\n', encoding="utf-8")
    tables = [made.features, made.reals.take(made.reals.dataset != "set1")]
    for name, rows in zip(("known", "reals"), tables, strict=True):
        with write_table(at / "features.h5", name, {"made": "here"}) as writer:
            writer.append(rows.key, rows.label, rows.group, rows.x)
            writer.publish()
    stored = [StoredRows.all_of(open_table(at / "features.h5", name)) for name in ("known", "reals")]
    one = compute_traces(JoinedTables(with_fallback_reals(tables, Registry.load(at))))
    other = compute_traces(JoinedTables(with_fallback_reals(stored, Registry.load(at))))
    assert one.labels == other.labels
    assert "set1_real" in one.labels
    for name in ("label", "dataset", "group"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    rows = np.arange(len(one.x))
    assert np.allclose(one.x, other.x, atol=1e-3)
    assert np.allclose(one.unanchored(rows), other.unanchored(rows), atol=1e-3)
    scatter = np.concatenate(
        [one.x[one.label == label] - one.x[one.label == label].mean(axis=0) for label in np.unique(one.label)]
    )
    assert 0.8 < float(scatter.var()) < 1.2


def test_the_command_prints_one_document_and_writes_a_plan_to_edit(kce: Kce, kce_here: Kce, at: Path) -> None:
    made = world(1, homonyms=1, synonyms=2)
    for table, rows in (("known", made.features), ("reals", made.reals)):
        with write_table(at / "features.h5", table, {"made": "here"}) as writer:
            writer.append(rows.key, rows.label, rows.group, rows.x)
            writer.publish()
    done = kce("audit", "features.h5:/known", "features.h5:/reals", "--to", "out", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["findings"]
    assert read_plan(at / "out" / "plan.toml").classes == report["plan"]
    written = read_document(at / "out" / "audit.json", AuditReport)
    assert document_to_table(written) == {"schema": 1, **report}
    assert (at / "out" / "audit.html").is_file()
    assert (at / "out" / "tables" / "pairs.csv").is_file()
    (at / "out" / "audit.html").unlink()
    assert kce_here("report", "out").returncode == 0
    assert (at / "out" / "audit.html").is_file()
    text = kce_here("audit", "features.h5:/known", "features.h5:/reals", "--plan", "out/plan.toml")
    assert text.returncode == 0, text.stderr
    assert "share a name and differ" in text.stdout
    alone = kce_here("audit", "features.h5:/known")
    assert "note: there are no reals of set1" in alone.stderr
    assert 'reals = "OTHER"' in alone.stderr
    lost = kce_here("audit", "features.h5:/nothing")
    assert lost.returncode == 2
    assert "hint:" in lost.stderr
