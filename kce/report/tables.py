"""The tables of a report, as text: for the page, and for csv, markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kce.report.charts import Sheet
from kce.study.comparison import EVALUATOR, MEASURE

if TYPE_CHECKING:
    from kce.report.sources import Folder

_NONE = "-"


def of(folder: Folder) -> list[Sheet]:
    """Every table there is something to say in."""
    document = folder.document
    if folder.kind == "run":
        return [_scores(document), _plans({"class": document["plan"]})]
    if folder.kind == "demo":
        plans = {view.plan: dict(view.report["plan"]) for view in folder.views if view.plan != "none"}
        return [_demo(document["plans"]), _plans(plans)]
    parts = (_study, _claims, _published, _differences, _runs, _failed)
    sheets = [part(document) for part in parts]
    return [sheet for sheet in sheets if sheet.rows]


def _sheet(
    name: str,
    title: str,
    note: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: int,
    records: Sequence[Mapping[str, Any]] = (),
) -> Sheet:
    """The first `texts` columns are words, the others numbers."""
    return Sheet(name, title, note, head, rows, [column >= texts for column in range(len(head))], records)


def _scores(report: Mapping[str, Any]) -> Sheet:
    rows, records = [], []
    for evaluator, values in report["scores"].items():
        for figure, value in values.items():
            span, n, seed = report["intervals"].get(evaluator, {}).get(figure), report["n"], report["seed"]
            rows.append([evaluator, figure, f"{value:.4g}", _span(span, ".4g"), str(n), str(seed)])
            record = {"evaluator": evaluator, "figure": figure, "value": value, **_ends(span)}
            records.append({**record, "n": n, "seed": seed})
    head = ["evaluator", "figure", "value", "95 % interval", "n", "seed"]
    note = "Of faces of categories no model has seen; n is their number. Intervals are from resampled recordings."
    return _sheet("scores", "Scores", note, head, rows, 2, records)


def _plans(plans: Mapping[str, Mapping[str, str]]) -> Sheet:
    categories = sorted({category for plan in plans.values() for category in plan})
    rows = [[category, *(plan.get(category, "") for plan in plans.values())] for category in categories]
    return _sheet("plan", "Merge plan", "The class of each known category.", ["category", *plans], rows, 1 + len(plans))


def _demo(plans: Mapping[str, Mapping[str, Any]]) -> Sheet:
    rows = [
        [plan, str(line["classes"]), f"{line['calinski_harabasz']:.1f}", _span(line["interval"], ".1f"),
         f"{line['variance_share']:.1%}", str(line["n"]), str(line["seed"]),
         _NONE if line["ari_truth"] is None else f"{line['ari_truth']:.2f}"]
        for plan, line in plans.items()
    ]  # fmt: skip
    head = ["plan", "classes", "Calinski-Harabasz", "95 % interval", "share of variance", "n", "seed", "ARI"]
    note = (
        "Every plan is scored on the same faces of categories no model has seen; n is their number. ARI: agreement of "
        "the plan with the true methods (1 = the same, 0 = chance)."
    )
    records = [
        {"plan": plan, **_ends(line["interval"]), **{key: its for key, its in line.items() if key != "interval"}}
        for plan, line in plans.items()
    ]
    return _sheet("plans-compared", "Plans compared", note, head, rows, 1, records)


def _study(document: Mapping[str, Any]) -> Sheet:
    groups = list(document["groups"])
    rows = []
    for line in document["plans"]:
        if not line["n"]:
            rows.append([line["backbone"], line["plan"], *[_NONE] * (len(groups) + 7)])
            continue
        by_group = [_spread(line["groups"].get(group)) for group in groups]
        named = line["to name"]
        rows.append(
            [line["backbone"], line["plan"], *by_group, f"{line['mean']:.1f}", _span(line["interval"], ".1f"),
             f"{named['gain']:+.1%}" if named else _NONE, f"{line['variance_share']:.1%}", f"{line['adjusted']:.4f}",
             _NONE if line["above chance"] is None else f"{line['above chance']}/{line['n']}", str(line["n"])]
        )  # fmt: skip
    lacking = {group: its["lacks"] for group, its in document["groups"].items() if its["lacks"]}
    rows_each = "/".join(map(str, document["evaluated rows"]))
    note = (
        f"{document['measure']}, of {rows_each} rows, seeds {', '.join(map(str, document['seeds']))}; mean over "
        "groups and seeds, n of them, with Student's 95 % interval (± standard deviation over seeds). To name: the "
        "average over that of the plan by names. Adjusted: above chance, whatever the number of rows. Above chance: "
        "runs whose index permuted labels reach in 5 % at most."
    )
    if lacking:
        said = "; ".join(f"group {group}: {', '.join(its)}" for group, its in lacking.items())
        note += f" TRAINED ON LESS THAN THE STUDY ASKS FOR; missing: {said}."
    head = ["backbone", "plan", *(f"group {group}{' *' if group in lacking else ''}" for group in groups), "mean",
            "95 % interval", "to name", "share of variance", "adjusted", "above chance", "n"]  # fmt: skip
    records = [
        {
            "backbone": line["backbone"],
            "plan": line["plan"],
            **{f"group {group}": (line["groups"].get(group) or {}).get("mean") for group in groups},
            **{key: line.get(key) for key in ("mean", "deviation")},
            **_ends(line.get("interval")),
            "to name": (line.get("to name") or {}).get("gain"),
            **{key: line.get(key) for key in ("variance_share", "adjusted", "above chance", "n")},
            **_lacks(document),
        }
        for line in document["plans"]
    ]
    return _sheet("plans-compared", "Plans compared", note, head, rows, 2, records)


def _claims(document: Mapping[str, Any]) -> Sheet:
    rows = [
        [claim["backbone"], claim["plan"], claim["over"], f"{claim['percent']:+.1f} %",
         _NONE if claim["found"] is None else f"{claim['found']:+.1f} %", _span(claim["interval"], "+.1f"),
         str(claim["n"]), claim["verdict"]]
        for claim in document["claims"]
    ]  # fmt: skip
    head = ["backbone", "plan", "over", "published", "found", "95 % interval", "n", "verdict"]
    note = (
        "How much higher the average over groups and seeds is. Not reproduced: the interval (jackknife) lies below the "
        "published gain. Reproduced: it reaches that and lies above 0. Undecidable: it holds 0 as well."
        f"{_marked(document)}"
    )
    return _sheet("claims", "Published claims", note, head, rows, 3, _records(document, "claims"))


def _published(document: Mapping[str, Any]) -> Sheet:
    rows, records = [], []
    for line in document["published"]:
        for cell in [*line["cells"], None]:
            its = cell or {
                "group": "average",
                "published": line["published average"],
                "ours": line["ours average"],
                "published to name": line["published average to name"],
                "ours to name": line["ours average to name"],
            }
            group = "?" if its["group"] is None else str(its["group"])
            rows.append(
                [line["backbone"], line["plan"], group, *(_figure(its[key]) for key in ("published", "ours")),
                 *(_figure(its[key], ".3f") for key in ("published to name", "ours to name"))]
            )  # fmt: skip
            records.append({"backbone": line["backbone"], "plan": line["plan"], **its, **_lacks(document)})
    head = ["backbone", "plan", "group", "published", "ours", "published / name", "ours / name"]
    note = (
        "The printed table beside ours. Absolute values cannot be compared: the number of rows behind the printed ones "
        f"is not said, and the index grows with it. Ratios to the plan by names can. ?: which groups is not known."
        f"{_marked(document)}"
    )
    return _sheet("published", "The published table", note, head, rows, 3, records)


def _differences(document: Mapping[str, Any]) -> Sheet:
    rows = [
        [line["backbone"], line["plan"], line["over"], f"{line['mean']:+.1f}", _span(line["interval"], "+.1f"),
         *(_figure(line[key], ".3g") for key in ("p", "p_holm", "p_permutation", "p_permutation_holm")),
         str(line["n"])]
        for line in document["differences"]
    ]  # fmt: skip
    head = ["backbone", "plan", "over", "difference", "95 % interval", "p (t)", "p (t, Holm)", "p (signs)",
            "p (signs, Holm)", "n"]  # fmt: skip
    note = (
        "Paired over groups and seeds, n of them: t test, and a permutation test that flips signs; both adjusted for "
        "the number of rows of this table. Seeds of one group share its categories, so n overstates what was seen."
        f"{_marked(document)}"
    )
    return _sheet("differences", "Differences between plans", note, head, rows, 3, _records(document, "differences"))


def _runs(document: Mapping[str, Any]) -> Sheet:
    rows, records = [], []
    for run in document["runs"]:
        figures, ends = run["scores"][EVALUATOR], run["intervals"][EVALUATOR]
        p = run["scores"].get("permuted-labels", {}).get("p")
        rows.append(
            [str(run["group"]), run["backbone"], run["plan"], str(run["seed"]), str(run["found classes"]),
             f"{figures[MEASURE]:.1f}", _span(ends[MEASURE], ".1f"), f"{figures['variance_share']:.1%}",
             f"{figures['adjusted']:.4f}", _figure(p, ".3g"), str(run["n"])]
        )  # fmt: skip
        record = {key: run[key] for key in ("group", "backbone", "plan", "seed", "component")}
        record |= {"classes": run["found classes"], "images": run["images"]}
        for evaluator, values in run["scores"].items():
            for figure, value in values.items():
                record[f"{evaluator} {figure}"] = value
                if run["intervals"][evaluator][figure]:
                    record |= {
                        f"{evaluator} {figure} {end}": at
                        for end, at in _ends(run["intervals"][evaluator][figure]).items()
                    }
        records.append({**record, "n": run["n"], "lacks": "; ".join(run["lacks"])})
    head = ["group", "backbone", "plan", "seed", "classes", "Calinski-Harabasz", "95 % interval", "share of variance",
            "adjusted", "p (permuted labels)", "n"]  # fmt: skip
    note = (
        "Every run by itself, of n rows; intervals from resampled recordings. The csv file of this table has all "
        f"figures of all evaluators.{_marked(document)}"
    )
    return _sheet("runs", "All runs", note, head, rows, 3, records)


def _failed(document: Mapping[str, Any]) -> Sheet:
    rows = [[name, " ".join(error.split())] for name, error in document["failed"].items()]
    return _sheet("failed", "What failed", "The same command tries these again.", ["job", "why"], rows, 2)


def _marked(document: Mapping[str, Any]) -> str:
    """Every table of a study whose data were less than it asks for says so."""
    lacking = _lacking(document)
    return f" Trained without {len(lacking)} of the study's categories: {', '.join(lacking)}." if lacking else ""


def _records(document: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """The lines of a part as they are, their intervals in two columns."""
    found = []
    for line in document[part]:
        plain = {key: value for key, value in line.items() if key != "interval"}
        found.append({**plain, **_ends(line["interval"]), **_lacks(document)})
    return found


def _lacks(document: Mapping[str, Any]) -> dict[str, str]:
    return {"lacks": "; ".join(_lacking(document))}


def _lacking(document: Mapping[str, Any]) -> list[str]:
    return sorted({category for group in document["groups"].values() for category in group["lacks"]})


def _ends(span: Sequence[float] | None) -> dict[str, float | None]:
    return {"low": span[0], "high": span[1]} if span else {"low": None, "high": None}


def _spread(group: Mapping[str, Any] | None) -> str:
    if not group:
        return _NONE
    return f"{group['mean']:.1f}" + (f" ± {group['deviation']:.1f}" if group["deviation"] is not None else "")


def _span(span: Sequence[float] | None, form: str) -> str:
    return f"{span[0]:{form}} to {span[1]:{form}}" if span else _NONE


def _figure(value: float | None, form: str = ".1f") -> str:
    return _NONE if value is None else f"{value:{form}}"
