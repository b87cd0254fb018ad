"""The audit: what features say about the names of categories, as a report, and the plan that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.audit.audit_report import NO_REALS, AuditReport
from kce.audit.dataset_mixing import mixing_scores
from kce.audit.proposals import list_changes, propose_plan
from kce.audit.relations import find_relations, shared_method_names
from kce.audit.traces import JoinedTables, Traces, compute_traces
from kce.errors import BadData, Refused
from kce.labels import label_parts
from kce.merging.plan_file import check_plan, read_plan, write_plan
from kce.system.documents import model_from_table, write_document
from kce.system.lock import folder_lock

if TYPE_CHECKING:
    from kce.audit.auroc import Auroc
    from kce.audit.relations import CategoryPair
    from kce.types import FeatureStream, MergePlan

DIFFER, AGREE = "same name, differ", "different names, agree"
"""The two kinds of findings."""


def audit_tables(
    tables: Sequence[FeatureStream], seed: int, plan: MergePlan | None = None
) -> tuple[dict[str, Any], MergePlan]:
    """Audit the names of the categories in some tables.

    Args:
        tables: Rows of at least two datasets; a dataset's reals are the rows labelled ``<dataset>_real``.
        seed: Random seed of all random choices.
        plan: Whose classes are examined and changed; without it, those of the proposal are examined, and the classes of
            categories with the same name are changed.

    Returns:
        The report, in types that JSON has, and the proposed plan.

    Raises:
        BadData: If there are forgeries of one dataset only, features do not vary, keys are duplicate, dims are unequal,
            or the plan does not fit.
    """
    rows = JoinedTables(tables)
    _check_datasets(rows)
    unknown = int((rows.group == "").sum())
    traces = compute_traces(rows)
    del rows  # the texts of all rows
    forged = [traces.labels[number] for number in traces.forged]
    if plan is not None:
        check_plan(plan, forged)
    pairs, within, margin = find_relations(traces, seed)
    start = plan.classes if plan else shared_method_names(traces)
    proposed = propose_plan(pairs, start, {name: traces.parts[name].dataset for name in forged})
    examined = plan or proposed
    report = {
        "n": len(traces.x),
        "seed": seed,
        "datasets": [_describe_dataset(traces, name) for name in traces.datasets],
        "categories": [
            {
                "name": traces.labels[number],
                **traces.parts[traces.labels[number]]._asdict(),
                "n": len(traces.rows_of(number)),
                "recordings": traces.count_recordings(number),
                "within": _describe_auroc(within.get(traces.labels[number]), seed),
            }
            for number in traces.forged
        ],
        "margin": {"value": margin.value, "nearest": list(margin.nearest)},
        "pairs": [_describe_pair(pair, seed) for pair in pairs],
        "findings": [finding for pair in pairs if (finding := _finding(pair, traces))],
        "clusters": [
            {
                "class": name,
                "members": examined.members(name),
                "datasets": sorted({traces.parts[member].dataset for member in examined.members(name)}),
                **mixing_scores(traces, [traces.labels.index(member) for member in examined.members(name)], seed),
            }
            for name in examined.names
        ],
        "proposals": list_changes(proposed, start),
        "plan": dict(proposed.classes),
        "unknown_recordings": unknown,
    }
    return report, proposed


def write_audit(folder: Path, report: dict[str, Any], plan: MergePlan) -> None:
    """Write ``audit.json``, the report, and ``plan.toml``, the plan to be edited.

    Raises:
        Refused: There is a ``plan.toml`` that no audit made, such as that of a run, or one that a person edited.
    """
    with folder_lock(folder, "audit"):
        _refuse_to_lose(folder)
        write_document(folder / "audit.json", model_from_table(report, AuditReport, "the audit"))
        write_plan(folder / "plan.toml", plan)


def _refuse_to_lose(folder: Path) -> None:
    path = folder / "plan.toml"
    if not path.is_file():
        return
    ours = (folder / "audit.json").is_file()
    if not ours or read_plan(path).edited:
        what = "was edited since an audit made it" if ours else "was not made by an audit"
        raise Refused(
            f"{path} {what}, and would be overwritten", "name another folder with --to, or move the plan away"
        )


def _check_datasets(rows: JoinedTables) -> None:
    datasets = sorted({part.dataset for part in label_parts(rows).values() if not part.real})
    if len(datasets) < 2:
        raise BadData(
            f"forgeries of one dataset only: {datasets[0]}" if datasets else "no forgeries: every label is of reals",
            "name tables with categories of at least two datasets; labels are <dataset>_<method>",
        )


def _describe_dataset(traces: Traces, name: str) -> dict[str, Any]:
    reals = [label for label in traces.labels if traces.parts[label].dataset == name and traces.parts[label].real]
    count = sum(len(traces.rows_of(traces.labels.index(label))) for label in reals)
    return {"name": name, "reals": count, "anchor": "its reals" if reals else NO_REALS}


def _describe_pair(pair: CategoryPair, seed: int) -> dict[str, Any]:
    difference = pair.difference
    return {
        "a": pair.a,
        "b": pair.b,
        "same_name": pair.same_name,
        "relation": pair.relation,
        "reason": pair.reason,
        "n": difference.n if difference else None,
        "seed": seed,
        "auroc": {"a_to_b": _describe_auroc(pair.a_to_b, seed), "b_to_a": _describe_auroc(pair.b_to_a, seed)},
        "cosine": difference.cosine if difference else None,
        "cosine_interval": list(difference.cosine_interval) if difference else None,
        "distance": difference.distance if difference else None,
        "effect": difference.effect if difference else None,
        "interval": list(difference.interval) if difference else None,
        "p": difference.p if difference else None,
        "p_holm": pair.p_holm,
        "p_agree": pair.p_agree,
        "p_agree_holm": pair.p_agree_holm,
    }


def _describe_auroc(auroc: Auroc | None, seed: int) -> dict[str, Any] | None:
    if auroc is None:
        return None
    return {**asdict(auroc), "interval": list(auroc.interval) if auroc.interval else None, "seed": seed}


def _finding(pair: CategoryPair, traces: Traces) -> dict[str, Any] | None:
    one, other = (f"{traces.parts[name].method} of {traces.parts[name].dataset}" for name in (pair.a, pair.b))
    if pair.same_name and pair.relation == "different":
        kind, p, text = DIFFER, pair.p_holm, "share a name and differ"
    elif not pair.same_name and pair.relation == "same":
        kind, p, text = AGREE, pair.p_agree_holm, "have different names and agree"
    else:
        return None
    return {
        "kind": kind,
        "a": pair.a,
        "b": pair.b,
        "p": p,
        "text": f"{one} and {other} {text} (p = {p:.2g}): {pair.reason}",
    }
