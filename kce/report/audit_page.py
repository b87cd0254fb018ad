"""The report of an audit: a page that explains its words, and tables for programs and papers, from ``audit.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kce.audit.audit_report import WORDS, AuditReport, audit_remarks
from kce.evaluation.formatting import format_interval, format_number
from kce.report.charts import Bars, ReportFigure, ReportTable
from kce.report.html_page import render_page
from kce.report.table_export import write_tables
from kce.system.atomic import write_atomic
from kce.system.documents import document_to_table, read_document
from kce.system.lock import folder_lock

MIXING = ("probe", "probe_anchored", "ilisi", "ilisi_anchored", "forgery")
_MOST_BARS = 40

Cells = Sequence[Any]


def write_audit_report(folder: Path) -> dict[str, Any]:
    """Write the report of an audit: ``audit.html``, and the tables as CSV, Markdown and LaTeX (``tables/``).

    Args:
        folder: The folder of the audit, as ``kce audit --to`` wrote it.

    Returns:
        {"report": path of the page, "written": paths of all files}.

    Raises:
        BadData: The folder's ``audit.json`` is not one.
        KCEError: Another process writes in the folder.
    """
    report = document_to_table(read_document(folder / "audit.json", AuditReport))
    tables, figures = audit_tables(report), [_effects(report)] if _with_effect(report) else []
    with folder_lock(folder, "report"):
        path = folder / "audit.html"
        source = report["provenance"]
        page = render_page("Audit of names", tables, figures, audit_remarks(report), provenance=source)
        write_atomic(path, page.encode())
        written = [path, *write_tables(folder / "tables", tables, source)]
    return {"report": str(path), "written": [str(path) for path in written]}


def audit_tables(report: Mapping[str, Any]) -> list[ReportTable]:
    """The tables of an audit: what was found first, then what it rests on, then what the words mean.

    Args:
        report: What ``audit.json`` holds.
    """
    seed, margin = report["seed"], report["margin"]
    nearest = f", set by the nearest two of one dataset: {' and '.join(margin['nearest'])}" if margin["nearest"] else ""
    drawn = f"n = {report['n']} rows, seed {seed}; intervals are 95 %"
    return [
        _table("findings", "Findings", "Names that say something else than the features.",
               ["finding", "what was found", "p (Holm)"],
               [(one["kind"], one["text"], one["p"]) for one in report["findings"]], report["findings"]),
        _table("proposals", "Proposals", "What the proposed plan.toml changes; edit it before it is used.",
               ["change", "what changes"], [(one["kind"], one["text"]) for one in report["proposals"]]),
        _table("pairs", "Pairs of categories", f"An effect below {margin['value']:.2f} is the same{nearest}; {drawn}.",
               ["a", "b", "name", "relation", "AUROC a to b", "AUROC b to a", "effect", "p differ (Holm)",
                "p agree (Holm)", "n", "reason"],
               [_pair_cells(pair) for pair in report["pairs"]], [_pair_record(pair) for pair in report["pairs"]]),
        _table("classes", "Dataset and forgery in each class", f"How well the datasets of a class are mixed; {drawn}.",
               ["class", "members", "chance", *(name.replace("_", ", ") for name in MIXING), "why not"],
               [_class_cells(one) for one in report["clusters"]], [_class_record(one) for one in report["clusters"]]),
        _table("categories", "Categories", f"AUROC of each category against its own reals; {drawn}.",
               ["category", "dataset", "method", "n", "recordings", "AUROC within"],
               [(one["name"], one["dataset"], one["method"], one["n"], one["recordings"], _score(one["within"]))
                for one in report["categories"]],
               [{key: one[key] for key in ("name", "dataset", "method", "n", "recordings")}
                | _flat("within", one["within"]) for one in report["categories"]]),
        _table("datasets", "Datasets", "What the traces of each dataset are measured from.",
               ["dataset", "reals", "measured from"],
               [(one["name"], one["reals"], one["anchor"]) for one in report["datasets"]]),
        _table("words", "What the words mean", "Of this page and of audit.json.", ["word", "meaning"],
               list(WORDS.items())),
    ]  # fmt: skip


def _pair_cells(pair: Mapping[str, Any]) -> Cells:
    effect = "" if pair["effect"] is None else f"{pair['effect']:.2f} ({format_interval(pair['interval'], '.2f')})"
    return (
        pair["a"], pair["b"], "same" if pair["same_name"] else "other", pair["relation"],
        *(_score(pair["auroc"][way]) for way in ("a_to_b", "b_to_a")), effect, pair["p_holm"], pair["p_agree_holm"],
        pair["n"], pair["reason"],
    )  # fmt: skip


def _pair_record(pair: Mapping[str, Any]) -> dict[str, Any]:
    record = {key: value for key, value in pair.items() if key not in ("auroc", "interval", "cosine_interval")}
    for name, interval in (("effect", pair["interval"]), ("cosine", pair["cosine_interval"])):
        record |= _ends(name, interval)
    return record | _flat("auroc_a_to_b", pair["auroc"]["a_to_b"]) | _flat("auroc_b_to_a", pair["auroc"]["b_to_a"])


def _class_cells(one: Mapping[str, Any]) -> Cells:
    chance = "" if one["chance"] is None else f"{one['chance']:.2f}"
    return (one["class"], ", ".join(one["members"]), chance, *(_score(one[name]) for name in MIXING), one["reason"])


def _class_record(one: Mapping[str, Any]) -> dict[str, Any]:
    record = {"class": one["class"], "members": ";".join(one["members"]), "datasets": ";".join(one["datasets"])}
    record |= {"chance": one["chance"], "reason": one["reason"]}
    for name in MIXING:
        record |= _flat(name, one[name])
    return record


def _flat(name: str, score: Mapping[str, Any] | None) -> dict[str, Any]:
    """A score with its interval, in columns."""
    if score is None:
        return {name: None, f"{name}_n": None, **_ends(name, None)}
    return {name: score["value"], f"{name}_n": score["n"], **_ends(name, score["interval"])}


def _ends(name: str, interval: Sequence[float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _score(score: Mapping[str, Any] | None) -> str:
    return f"{score['value']:.2f} ({format_interval(score['interval'], '.2f')})" if score else ""


def _table(
    name: str, title: str, note: str, head: list[str], rows: Sequence[Cells], records: Sequence[Any] = ()
) -> ReportTable:
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [any(not isinstance(row[at], str | None) for row in rows) for at in range(len(head))]
    return ReportTable(name, title, note if rows else f"{note} There are none.", head, cells, numeric, records)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return format_number(value, ".2g")
    return "" if value is None else str(value)


def _with_effect(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pairs that have an effect, the nearest first."""
    return sorted((pair for pair in report["pairs"] if pair["effect"] is not None), key=lambda pair: pair["effect"])


def _effects(report: Mapping[str, Any]) -> ReportFigure:
    pairs = _with_effect(report)
    shown = pairs[:_MOST_BARS]
    groups = {
        kind: [
            (pair["effect"], *(pair["interval"] or [pair["effect"]] * 2)) if pair["same_name"] == same else None
            for pair in shown
        ]
        for kind, same in (("same name", True), ("different names", False))
    }
    of_all = f" The nearest {len(shown)} of {len(pairs)} pairs." if len(shown) < len(pairs) else ""
    return ReportFigure(
        "effects",
        "How far pairs are apart",
        f"The effect of each pair, with its 95 % interval: 0 is equal, 1.41 has nothing in common; below "
        f"{report['margin']['value']:.2f} a pair counts as the same.{of_all}",
        {"effects": Bars([f"{pair['a']} / {pair['b']}" for pair in shown], groups, "effect")},
    )
