"""What a study says of the plans and the versions behind its runs."""

from __future__ import annotations

from typing import Any

from kce.registry.result_provenance import Provenance
from kce.study.comparison import describe_edited_plans
from kce.study.study_provenance import describe_versions, join_provenance
from kce.system.documents import model_from_table


def report(made: str, torch: str, data: str = "c0ffee", seed: int = 0) -> dict[str, Any]:
    versions = {"kce": "0.1.0", "torch": torch}
    counts = {"rows": 400, "known faces": 900, "unknown faces": 500}
    return {
        "provenance": {"made": made, "command": "kce study s", "n": counts, "seeds": [seed], "versions": versions,
                       "parts": {"backbone tiny": "kce-toolkit 0.1.0"}, "data": "faces", "data_hash": data},
    }  # fmt: skip


def test_the_provenance_of_runs_is_joined_and_differing_versions_are_said() -> None:
    runs = {"a": report("2026-01-01T00:00:00Z", "2.4"), "b": report("2026-01-02T00:00:00Z", "2.5", seed=1)}
    joined = join_provenance(runs)
    made = model_from_table(joined, Provenance, "the study")
    assert (made.made, made.seeds, made.data_hash) == ("2026-01-02T00:00:00Z", (0, 1), "c0ffee")
    assert made.n == {"runs": 2, "rows": 400, "faces": 1400}
    assert made.versions["torch"] == "2.4 or 2.5"
    assert describe_versions(runs) == ["runs were made with different versions: torch 2.4 or 2.5"]
    assert describe_versions({"a": runs["a"]}) == []
    # The hash is that of all folds, in whatever order they were done.
    other = report("2026-01-03T00:00:00Z", "2.4", "decaf")
    two = [join_provenance(order) for order in ({"a": runs["a"], "c": other}, {"c": other, "a": runs["a"]})]
    assert two[0] == two[1] != joined


def test_runs_that_do_not_say_where_they_come_from_are_not_guessed() -> None:
    assert join_provenance({"a": {"provenance": None}}) is None
    assert describe_versions({"a": {"provenance": None}}) == []


def test_every_run_with_an_edited_plan_is_named() -> None:
    edited = {"edited": True, "made": "by clusters of means: kmeans", "made_hash": "c0ffee"}
    (remark,) = describe_edited_plans({"1/kmeans": edited, "1/name": {"edited": False}})
    assert remark.startswith("run 1/kmeans: the plan was edited by a person")
    assert "by clusters of means: kmeans" in remark
