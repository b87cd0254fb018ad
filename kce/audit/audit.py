"""Are these names worth anything? What a feature table says of its categories' names, and the plan it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.audit.dataset_mixing import mixing_scores
from kce.audit.proposals import list_changes, propose_plan
from kce.audit.relations import find_relations, shared_method_names
from kce.audit.traces import Traces, compute_traces, concatenate_tables
from kce.errors import BadData
from kce.labels import label_parts
from kce.merging.plan_file import check_plan, write_plan
from kce.system.atomic import write_json

if TYPE_CHECKING:
    from kce.audit.auroc import Auroc
    from kce.audit.relations import CategoryPair
    from kce.types import Features, MergePlan

DIFFER, AGREE = "same name, differ", "different names, agree"


def audit_tables(
    tables: Sequence[Features], seed: int, plan: MergePlan | None = None
) -> tuple[dict[str, Any], MergePlan]:
    """The report, in JSON's own types, and the plan that is proposed.

    tables  taken together as rows; the reals of a dataset are the rows with the label ``<dataset>_real``
    plan    whose classes are looked at, and changed; the names' own and the proposal's if left out
    Raises BadData for forgeries of one dataset only, features that do not vary, keys that stand twice, other dims, and
    a plan that does not fit.
    """
    features = concatenate_tables(tables)
    _see_datasets(features)
    told = compute_traces(features, seed)
    forged = [told.names[number] for number in told.forged]
    if plan is not None:
        check_plan(plan, forged)
    pairs, within, margin = find_relations(told, seed)
    start = plan.classes if plan else shared_method_names(told)
    proposed = propose_plan(pairs, start, {name: told.parts[name].dataset for name in forged})
    looked_at = plan or proposed
    report = {
        "n": len(features),
        "seed": seed,
        "datasets": [_dataset(told, name) for name in told.datasets],
        "categories": [
            {
                "name": name,
                "dataset": told.parts[name].dataset,
                "method": told.parts[name].method,
                "n": len(told.rows(told.names.index(name))),
                "recordings": told.recordings(told.names.index(name)),
                "within": _auroc(within.get(name), seed),
            }
            for name in forged
        ],
        "margin": {"value": margin.value, "nearest": list(margin.nearest)},
        "pairs": [_pair(pair, seed) for pair in pairs],
        "findings": [found for pair in pairs if (found := _finding(pair, told))],
        "clusters": [
            {
                "class": name,
                "members": looked_at.members(name),
                "datasets": sorted({told.parts[member].dataset for member in looked_at.members(name)}),
                **mixing_scores(told, [told.names.index(member) for member in looked_at.members(name)], seed),
            }
            for name in looked_at.names
        ],
        "proposals": list_changes(proposed, start),
        "plan": dict(proposed.classes),
    }
    return report, proposed


def write_audit(folder: Path, report: dict[str, Any], plan: MergePlan) -> None:
    """audit.json, with all figures, and plan.toml, to be edited."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "audit.json", report)
    write_plan(folder / "plan.toml", plan)


def _see_datasets(features: Features) -> None:
    forging = sorted({its.dataset for its in label_parts(features).values() if not its.real})
    if len(forging) < 2:
        raise BadData(
            f"forgeries of one dataset only: {forging[0]}" if forging else "no forgeries: every label is of reals",
            "name tables with the categories of two datasets at least; labels are <dataset>_<method>",
        )


def _dataset(told: Traces, name: str) -> dict[str, Any]:
    reals = [label for label in told.names if told.parts[label].dataset == name and told.parts[label].real]
    count = sum(len(told.rows(told.names.index(label))) for label in reals)
    return {"name": name, "reals": count, "anchor": "its reals" if reals else "its categories: it has no reals"}


def _pair(pair: CategoryPair, seed: int) -> dict[str, Any]:
    told = pair.difference
    return {
        "a": pair.a,
        "b": pair.b,
        "same_name": pair.same_name,
        "relation": pair.relation,
        "reason": pair.reason,
        "n": told.n if told else None,
        "seed": seed,
        "auroc": {"a_to_b": _auroc(pair.a_to_b, seed), "b_to_a": _auroc(pair.b_to_a, seed)},
        "cosine": told.cosine if told else None,
        "cosine_interval": list(told.cosine_interval) if told else None,
        "distance": told.distance if told else None,
        "effect": told.effect if told else None,
        "interval": list(told.interval) if told else None,
        "p": told.p if told else None,
        "p_holm": pair.p_holm,
        "p_agree": pair.p_agree,
        "p_agree_holm": pair.p_agree_holm,
    }


def _auroc(its: Auroc | None, seed: int) -> dict[str, Any] | None:
    return {**asdict(its), "interval": list(its.interval), "seed": seed} if its else None


def _finding(pair: CategoryPair, told: Traces) -> dict[str, Any] | None:
    one, other = (f"{told.parts[name].method} of {told.parts[name].dataset}" for name in (pair.a, pair.b))
    if pair.same_name and pair.relation == "different":
        kind, p, words = DIFFER, pair.p_holm, "share a name and differ"
    elif not pair.same_name and pair.relation == "same":
        kind, p, words = AGREE, pair.p_agree_holm, "bear different names and agree"
    else:
        return None
    text = f"{one} and {other} {words} (p = {p:.2g}): {pair.reason}"
    return {"kind": kind, "a": pair.a, "b": pair.b, "p": p, "text": text}
