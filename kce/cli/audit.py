"""The command that looks at names: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kce.cli.console import present, print_line, print_table, say
from kce.cli.options import AsJson, Seed
from kce.evaluation.formatting import format_interval

if TYPE_CHECKING:
    from kce.api.audit import AuditResult


def audit(
    tables: Annotated[
        list[str], typer.Argument(metavar="TABLE", help="One or more FEATURES.h5:/TABLE, audited together.")
    ],
    plan: Annotated[Path | None, typer.Option(help="A plan.toml whose classes are examined too.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the report, as html, csv and json, and the proposed plan.toml.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Find equal names that differ, and different names that agree.

    The tables must include the reals of each dataset (label <dataset>_real), because categories are measured relative
    to them. For a dataset without reals, the registry can name another dataset's.
    """
    from kce.api.audit import audit as call

    present(lambda: call(tables, plan=plan, to=to, seed=seed), _print_audit, as_json)


def _print_audit(audited: AuditResult) -> None:
    for remark in audited.remarks:
        say(f"note: {remark}")
    report = audited.to_dict()
    _print_pairs(report)
    _print_clusters(report)
    for what, key in (("Findings", "findings"), ("Proposals", "proposals")):
        print_line(f"{what}:" if report[key] else f"{what}: none")
        for one in report[key]:
            print_line(f"  {one['text']}")
    print_line("\nwhat the words mean: kce docs audit")
    if where := audited.folder:
        print_line(
            f"report: {audited.report}; tables: {where / 'tables'}; the plan, to be edited: {where / 'plan.toml'}"
        )


def _print_pairs(report: dict[str, Any]) -> None:
    kept = [pair for pair in report["pairs"] if pair["same_name"] or pair["relation"] not in ("different", "undecided")]
    print_line(f"{len(kept)} of {len(report['pairs'])} pairs: those that share a name, or have something in common")
    print_table(
        ["a", "b", "name", "relation", "AUROC a to b", "b to a", "effect", "95 % interval", "p differ", "p agree", "n"],
        [
            [
                pair["a"],
                pair["b"],
                "same" if pair["same_name"] else "other",
                pair["relation"],
                *(_format_auroc(pair["auroc"][way]) for way in ("a_to_b", "b_to_a")),
                _number(pair["effect"], ".2f"),
                format_interval(pair["interval"], ".2f"),
                _number(pair["p_holm"], ".2g"),
                _number(pair["p_agree_holm"], ".2g"),
                str(pair["n"] or "-"),
            ]
            for pair in kept
        ],
        secondary=["effect", "95 % interval", "p differ", "p agree", "AUROC a to b", "b to a", "n"],
    )
    for pair in kept:
        if pair["relation"] in ("undecided", "contained", "overlapping"):
            print_line(f"{pair['a']} and {pair['b']}: {pair['relation']}: {pair['reason']}")
    margin = report["margin"]
    near = f", of the nearest two in one dataset, {' and '.join(margin['nearest'])}" if margin["nearest"] else ""
    print_line(f"p after Holm; seed {report['seed']}; an effect below {margin['value']:.2f} is the same{near}\n")


def _print_clusters(report: dict[str, Any]) -> None:
    columns = ("probe", "probe_anchored", "ilisi", "ilisi_anchored", "forgery")
    print_line("Data set and forgery in each class; anchored = less the mean of the dataset's reals")
    print_table(
        ["class", "members", "n", "chance", *(column.replace("_", ", ") for column in columns), "why not"],
        [
            [
                cluster["class"],
                ", ".join(cluster["members"]),
                str(cluster["probe"]["n"] if cluster["probe"] else "-"),
                _number(cluster["chance"], ".2f"),
                *(_format_auroc(cluster[column]) for column in columns),
                cluster["reason"],
            ]
            for cluster in report["clusters"]
        ],
        prose=["members", "why not"],
    )


def _format_auroc(score: dict[str, Any] | None) -> str:
    return f"{score['value']:.2f} ({format_interval(score['interval'], '.2f')})" if score else "-"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
