"""The report of an audit: every figure of audit.json is in the tables, and every word is explained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from kce.audit.audit import audit_tables, write_audit
from kce.audit.audit_report import WORDS, audit_remarks
from kce.bench.synthetic import make_feature_world
from kce.bench.world_parameters import FeatureWorldParameters
from kce.errors import BadData, Refused
from kce.merging.plan_file import read_plan, write_plan
from kce.report.audit_page import write_audit_report

SMALL = FeatureWorldParameters(categories=6, methods=3, datasets=3, rows=30, dim=32, separation=8.0)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of an audit in which one dataset has no reals, and what it found."""
    folder = tmp_path_factory.mktemp("audit")
    made = make_feature_world(SMALL, 0, views=False)
    reals = made.reals.take(made.reals.dataset != made.reals.dataset[0])
    report, plan = audit_tables([made.features, reals], 0)
    write_audit(folder, report, plan)
    write_audit_report(folder)
    return folder, report


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_every_pair_and_class_with_unrounded_figures(audited: tuple[Path, dict[str, Any]]) -> None:
    folder, report = audited
    pairs = rows(folder, "pairs")
    assert [(row["a"], row["b"], row["relation"]) for row in pairs] == [
        (pair["a"], pair["b"], pair["relation"]) for pair in report["pairs"]
    ]
    for row, pair in zip(pairs, report["pairs"], strict=True):
        assert row["effect"] == ("" if pair["effect"] is None else repr(pair["effect"]))
        assert [row["effect_low"], row["effect_high"]] == [repr(end) for end in pair["interval"] or ()] or ["", ""]
    assert any(row["effect"] for row in pairs)
    for row, one in zip(rows(folder, "classes"), report["clusters"], strict=True):
        assert row["members"] == ";".join(one["members"])
        assert row["probe"] == (repr(one["probe"]["value"]) if one["probe"] else "")


def test_the_page_explains_its_words_and_says_what_to_do_without_reals(audited: tuple[Path, dict[str, Any]]) -> None:
    folder, report = audited
    page = (folder / "audit.html").read_text(encoding="utf-8")
    assert all(f"<td>{word}</td>" in page for word in WORDS)
    (remark,) = audit_remarks(report)
    assert "FEATURES.h5:/reals" in remark
    assert "there are no reals of" in page
    assert 'id="effects"' in page


def test_it_is_made_again_from_the_folder_alone(audited: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = audited
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made = write_audit_report(folder)
    assert {path: path.read_bytes() for path in before} == before
    assert Path(made["report"]) == folder / "audit.html"
    assert set(map(Path, made["written"])) <= set(before)


def test_a_damaged_audit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text('{"schema": 1}')
    with pytest.raises(BadData):
        write_audit_report(tmp_path)


def test_no_plan_of_a_run_and_no_edited_plan_is_overwritten(
    audited: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, report = audited
    plan = read_plan(folder / "plan.toml")
    write_audit(folder, report, plan)  # its own is written again
    run = tmp_path / "run"
    run.mkdir()
    write_plan(run / "plan.toml", plan)
    with pytest.raises(Refused, match="was not made by an audit"):
        write_audit(run, report, plan)
    assert not (run / "audit.json").exists()
    mine = tmp_path / "mine"
    write_audit(mine, report, plan)
    text = (mine / "plan.toml").read_text(encoding="utf-8")
    one, other = plan.names[:2]
    (mine / "plan.toml").write_text(text.replace(f'"{other}"', f'"{one}"'), encoding="utf-8")
    edited = (mine / "plan.toml").read_bytes()
    with pytest.raises(Refused, match="was edited"):
        write_audit(mine, report, plan)
    assert (mine / "plan.toml").read_bytes() == edited
