"""The tables of a report: for the page, the terminal, and for CSV, Markdown and LaTeX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kce.evaluation.formatting import (
    MISSING,
    describe_missing_intervals,
    describe_unknown_recordings,
    format_interval,
    format_number,
)
from kce.merging.plan_file import describe_edit
from kce.registry import defaults
from kce.report.charts import ReportTable

if TYPE_CHECKING:
    from kce.report.sources import ReportSource


def report_tables(source: ReportSource) -> list[ReportTable]:
    """Make every table of a run, a demo or a study for which there is data."""
    document = source.document
    if source.kind == "run":
        asked, classes = document["asked"], document["classes"]
        note = "" if asked in (None, classes) else f" Asked for {asked} classes; the plan has {classes}."
        return [_scores(document), _plans({"class": document["plan"]}, note + _edited_note({"": document}))]
    if source.kind == "demo":
        reports = {run.plan: run.report for run in source.runs if run.plan != "none"}
        plans = {plan: dict(report["plan"]) for plan, report in reports.items()}
        return [_demo(document["plans"], _edited_note(reports)), _plans(plans, _edited_note(reports))]
    makers = (_study, _claims, _published, _differences, _runs, _failed)
    tables = [make(document) for make in makers]
    return [table for table in tables if table.rows]


def _table(
    name: str,
    title: str,
    note: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: int,
    records: Sequence[Mapping[str, Any]] = (),
) -> ReportTable:
    """A table whose first `texts` columns are text and whose other columns are numbers."""
    return ReportTable(name, title, note, head, rows, [column >= texts for column in range(len(head))], records)


def _scores(report: Mapping[str, Any]) -> ReportTable:
    rows, records = [], []
    n, seed = report["n"], report["seed"]
    for evaluator, values in report["scores"].items():
        for score, value in values.items():
            interval = report["intervals"].get(evaluator, {}).get(score)
            rows.append([evaluator, score, f"{value:.4g}", format_interval(interval, ".4g"), str(n), str(seed)])
            record = {"evaluator": evaluator, "score": score, "value": value, **_bounds(interval)}
            records.append({**record, "n": n, "seed": seed, "unknown_recordings": report["unknown_recordings"]})
    head = ["evaluator", "score", "value", "95 % interval", "n", "seed"]
    computed = f" The networks computed in precision {report['precision']}." if report["precision"] else ""
    note = f"On n faces of categories that no model has seen.{computed} {_intervals_note([report])}"
    reasons = [remark for remark in report["remarks"] if remark.startswith("no interval")]
    note += "".join(f" {remark[0].upper()}{remark[1:]}." for remark in reasons)
    return _table("scores", "Scores", note, head, rows, 2, records)


def _intervals_note(reports: Sequence[Mapping[str, Any]]) -> str:
    """How the intervals of runs were made, and what is not known about them."""
    note = "Intervals are from a bootstrap over recordings."
    unknown = [(report["unknown_recordings"], report["n"]) for report in reports if report["unknown_recordings"]]
    if not unknown:
        return note
    remark = describe_unknown_recordings(*max(unknown))
    return f"{note} {remark[0].upper()}{remark[1:]}."


def _missing_interval_note(intervals: Sequence[Sequence[float] | None]) -> str:
    return "" if all(intervals) else f" {MISSING}: no interval; the report of the run says why."


def _plans(plans: Mapping[str, Mapping[str, str]], note: str = "") -> ReportTable:
    categories = sorted({category for plan in plans.values() for category in plan})
    rows = [[category, *(plan.get(category, "") for plan in plans.values())] for category in categories]
    note = f"The class of each known category.{note}"
    return _table("plan", "Merge plan", note, ["category", *plans], rows, 1 + len(plans))


def _edited_note(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence for each plan that a person edited; `reports` are those of runs by the name of their plan."""
    return "".join(
        f" {f'{plan}: ' if plan else ''}{describe_edit(report['made'], report['made_hash'])}."
        for plan, report in reports.items()
        if report["edited"]
    )


def _demo(plans: Mapping[str, Mapping[str, Any]], edited: str) -> ReportTable:
    rows = [
        [plan, str(line["classes"]), f"{line['calinski_harabasz']:.1f}", format_interval(line["interval"], ".1f"),
         f"{line['variance_share']:.1%}", str(line["n"]), str(line["seed"]),
         MISSING if line["ari_truth"] is None else f"{line['ari_truth']:.2f}"]
        for plan, line in plans.items()
    ]  # fmt: skip
    head = ["plan", "classes", "Calinski-Harabasz", "95 % interval", "share of variance", "n", "seed", "ARI"]
    note = (
        "Every plan is scored on the same n faces of categories that no model has seen. ARI: agreement of the plan "
        f"with the true methods (1 = identical, 0 = chance).{edited}"
        f"{_missing_interval_note([line['interval'] for line in plans.values()])}"
    )
    records = [
        {"plan": plan, **_bounds(line["interval"]), **{key: value for key, value in line.items() if key != "interval"}}
        for plan, line in plans.items()
    ]
    return _table("plans-compared", "Plans compared", note, head, rows, 1, records)


def _study(document: Mapping[str, Any]) -> ReportTable:
    groups, spec = list(document["groups"]), _score_format(document)
    rows = []
    for line in document["plans"]:
        if not line["n"]:
            rows.append([line["backbone"], line["plan"], *[MISSING] * (len(groups) + 8)])
            continue
        by_group = [_format_mean(line["groups"].get(group), spec) for group in groups]
        gain = line.get("gain_over_name")
        rows.append(
            [line["backbone"], line["plan"], *by_group,
             f"{line['mean']:{spec}}", format_interval(line["interval"], spec),
             format_number(line.get("rank"), "d"), f"{gain['gain']:+.1%}" if gain else MISSING,
             format_number(line.get("variance_share"), ".1%"), format_number(line.get("adjusted"), ".4f"),
             MISSING if line.get("above_chance") is None else f"{line['above_chance']}/{line['n']}", str(line["n"])]
        )  # fmt: skip
    missing = {name: group["missing"] for name, group in document["groups"].items() if group["missing"]}
    counts = "/".join(map(str, document["evaluated_rows"]))
    note = (
        f"{document['measure']}, on {counts} rows, seeds {', '.join(map(str, document['seeds']))}; mean over "
        "n pairs of group and seed, with Student's 95 % interval (± standard deviation over seeds). Rank: by the mean, "
        "among the plans of a backbone that are finished as often. Gain over name: "
        "of the mean over that of the plan by name. Adjusted: 0 at chance, whatever the number of rows. Above chance: "
        "runs whose index is reached by at most 5 % of label permutations."
        + describe_missing_intervals([line.get("interval") for line in document["plans"]], "pairs")
    )
    if edited := sorted({run["plan"] for run in document["runs"] if run["edited"]}):
        note += f" PLANS OF SOME RUNS WERE EDITED BY A PERSON: {', '.join(edited)}."
    if missing:
        listed = "; ".join(f"group {name}: {', '.join(categories)}" for name, categories in missing.items())
        note += f" TRAINED ON FEWER CATEGORIES THAN THE STUDY DEFINES; missing: {listed}."
    head = ["backbone", "plan", *(f"group {group}{' *' if group in missing else ''}" for group in groups), "mean",
            "95 % interval", "rank", "gain over name", "share of variance", "adjusted", "above chance",
            "n"]  # fmt: skip
    records = [
        {
            "backbone": line["backbone"],
            "plan": line["plan"],
            **{f"group {group}": (line["groups"].get(group) or {}).get("mean") for group in groups},
            **{key: line.get(key) for key in ("mean", "deviation")},
            **_bounds(line.get("interval")),
            "rank": line.get("rank"),
            "gain_over_name": (line.get("gain_over_name") or {}).get("gain"),
            **{key: line.get(key) for key in ("variance_share", "adjusted", "above_chance", "n")},
            **_missing_column(document),
        }
        for line in document["plans"]
    ]
    return _table("plans-compared", "Plans compared", note, head, rows, 2, records)


def _claims(document: Mapping[str, Any]) -> ReportTable:
    rows = [
        [claim["backbone"], claim["plan"], claim["over"], f"{claim['percent']:+.1f} %",
         MISSING if claim["measured"] is None else f"{claim['measured']:+.1f} %",
         format_interval(claim["interval"], "+.1f"), str(claim["n"]), claim["verdict"]]
        for claim in document["claims"]
    ]  # fmt: skip
    head = ["backbone", "plan", "over", "published", "measured", "95 % interval", "n", "verdict"]
    note = (
        "How much higher the mean over groups and seeds is. Reproduced: the interval (jackknife) reaches the "
        "published gain and is above 0. Not reproduced: it is below the published gain. Undecidable: it reaches the "
        f"published gain, but contains 0 too, or there is none."
        f"{describe_missing_intervals([line['interval'] for line in document['claims']], 'pairs of group and seed')}"
        f"{_missing_note(document)}"
    )
    return _table("claims", "Published claims", note, head, rows, 3, _records(document, "claims"))


def _published(document: Mapping[str, Any]) -> ReportTable:
    rows, records = [], []
    for line in document["published"]:
        for cell in [*line["cells"], None]:
            values = cell or {
                "group": "mean",
                "published": line["published_mean"],
                "ours": line["ours_mean"],
                "published_ratio": line["published_mean_ratio"],
                "ours_ratio": line["ours_mean_ratio"],
            }
            group = "?" if values["group"] is None else str(values["group"])
            rows.append(
                [line["backbone"], line["plan"], group, *(format_number(values[key]) for key in ("published", "ours")),
                 *(format_number(values[key], ".3f") for key in ("published_ratio", "ours_ratio"))]
            )  # fmt: skip
            records.append({"backbone": line["backbone"], "plan": line["plan"], **values, **_missing_column(document)})
    head = ["backbone", "plan", "group", "published", "ours", "published / name", "ours / name"]
    note = (
        "The published table beside ours. Absolute values cannot be compared: the number of rows behind the published "
        "ones is not reported, and the index grows with it. Ratios to the plan by name can be compared. ?: the "
        f"publication does not say which group it is.{_missing_note(document)}"
    )
    return _table("published", "The published table", note, head, rows, 3, records)


def _differences(document: Mapping[str, Any]) -> ReportTable:
    spec = f"+{_score_format(document)}"
    rows = [
        [line["backbone"], line["plan"], line["over"], f"{line['mean']:{spec}}",
         format_interval(line["interval"], spec),
         *(format_number(line[key], ".3g") for key in ("p", "p_holm", "p_permutation", "p_permutation_holm")),
         str(line["n"])]
        for line in document["differences"]
    ]  # fmt: skip
    head = ["backbone", "plan", "over", "difference", "95 % interval", "p (t)", "p (t, Holm)", "p (signs)",
            "p (signs, Holm)", "n"]  # fmt: skip
    note = (
        f"{document['measure']}. Paired over n pairs of group and seed: t test, and a permutation test that flips "
        "signs; both adjusted for the number of rows of this table. Seeds of a group share its categories, so n "
        "overstates the evidence."
        f"{describe_missing_intervals([line['interval'] for line in document['differences']], 'pairs')}"
        f"{_missing_note(document)}"
    )
    return _table("differences", "Differences between plans", note, head, rows, 3, _records(document, "differences"))


def _runs(document: Mapping[str, Any]) -> ReportTable:
    rows, records = [], []
    ranked_by, spec = document["ranked_by"], _score_format(document)
    for run in document["runs"]:
        scores, intervals = (run[part][ranked_by["evaluator"]] for part in ("scores", "intervals"))
        index = run["scores"].get(defaults.INDEX, {})
        p = run["scores"].get(defaults.PERMUTATION, {}).get("p")
        rows.append(
            [str(run["group"]), run["backbone"], run["plan"] + (" (edited)" if run["edited"] else ""),
             str(run["seed"]), _made_of_asked(run),
             f"{scores[ranked_by['score']]:{spec}}", format_interval(intervals[ranked_by["score"]], spec),
             format_number(index.get("variance_share"), ".1%"), format_number(index.get("adjusted"), ".4f"),
             format_number(p, ".3g"), str(run["n"])]
        )  # fmt: skip
        record = {key: run[key] for key in ("group", "backbone", "plan", "seed", "component", "made", "edited")}
        record |= {"classes": run["found_classes"], "classes_asked": run["classes"], "images": run["images"]}
        for evaluator, values in run["scores"].items():
            for score, value in values.items():
                record[f"{evaluator} {score}"] = value
                if interval := run["intervals"][evaluator][score]:
                    record |= {f"{evaluator} {score} {side}": bound for side, bound in _bounds(interval).items()}
        record |= {"n": run["n"], "unknown_recordings": run["unknown_recordings"]}
        records.append({**record, "missing": "; ".join(run["missing"])})
    head = ["group", "backbone", "plan", "seed", "classes", _score_title(document), "95 % interval",
            "share of variance", "adjusted", "p (permuted labels)", "n"]  # fmt: skip
    made = [run["intervals"][ranked_by["evaluator"]][ranked_by["score"]] for run in document["runs"]]
    note = (
        f"Every run on its own, scored on n rows. {_intervals_note(document['runs'])}{_missing_interval_note(made)} "
        "Classes: made, and of how many asked for where that differs. The CSV file has all scores of all evaluators."
        f"{_missing_note(document)}"
    )
    return _table("runs", "All runs", note, head, rows, 3, records)


def _made_of_asked(run: Mapping[str, Any]) -> str:
    made, asked = run["found_classes"], run["classes"]
    return str(made) if asked in (None, made) else f"{made} of {asked}"


def _failed(document: Mapping[str, Any]) -> ReportTable:
    rows = [[name, " ".join(error.split())] for name, error in document["failed"].items()]
    return _table("failed", "Failed jobs", "The same command tries these again.", ["job", "error"], rows, 2)


def _missing_note(document: Mapping[str, Any]) -> str:
    """A warning in every table of a study that trained on fewer categories than it defines."""
    missing = _missing(document)
    return f" Trained without {len(missing)} of the study's categories: {', '.join(missing)}." if missing else ""


def _records(document: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """The lines of a part of the document, with each interval in two columns."""
    records = []
    for line in document[part]:
        values = {key: value for key, value in line.items() if key != "interval"}
        records.append({**values, **_bounds(line["interval"]), **_missing_column(document)})
    return records


def _missing_column(document: Mapping[str, Any]) -> dict[str, str]:
    return {"missing": "; ".join(_missing(document))}


def _missing(document: Mapping[str, Any]) -> list[str]:
    return sorted({category for group in document["groups"].values() for category in group["missing"]})


def _bounds(interval: Sequence[float] | None) -> dict[str, float | None]:
    return {"low": interval[0], "high": interval[1]} if interval else {"low": None, "high": None}


def _score_title(document: Mapping[str, Any]) -> str:
    ranked_by = document["ranked_by"]
    return "Calinski-Harabasz" if ranked_by["evaluator"] == defaults.INDEX else str(ranked_by["score"])


def _score_format(document: Mapping[str, Any]) -> str:
    """How the scores are written that plans are compared by: the index is large, others may be of any size."""
    return ".1f" if document["ranked_by"]["evaluator"] == defaults.INDEX else ".4g"


def _format_mean(group: Mapping[str, Any] | None, spec: str) -> str:
    if not group:
        return MISSING
    return f"{group['mean']:{spec}}" + (f" ± {group['deviation']:{spec}}" if group["deviation"] is not None else "")
