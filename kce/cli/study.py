"""The commands of a study: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kce.cli.console import present, print_json, print_line, print_problems, print_table, progress_bars, say
from kce.cli.options import AsJson, Cache
from kce.errors import KCEError
from kce.registry import defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kce.study.study import StudyPlan


def study(
    named: Annotated[
        str, typer.Argument(metavar="study", help="A shipped study, such as sun2023, or the path of a .toml.")
    ],
    to: Annotated[Path | None, typer.Option(help="The study's folder; one that is there already is continued.")] = None,
    faces: Annotated[Path | None, typer.Option(help="The face folder.")] = None,
    scale: Annotated[
        str | None, typer.Option(help="small: synthetic faces and small networks, without --faces.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds: 0, 1, ...")] = 1,
    per_class: Annotated[int | None, typer.Option(help="Images per class.", show_default="the study's")] = None,
    engine: Annotated[str, typer.Option(help="What executes the runs, as in `kce list engine`.")] = defaults.ENGINE,
    cache: Cache = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Continue without the categories that are missing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare merge plans over groups, backbones and seeds.

    `kce study sun2023` has all experiments of the paper.
    """
    from kce.api.arguments import parse_size
    from kce.api.progress import shown_jobs
    from kce.registry.registry import Registry
    from kce.study import study as studies
    from kce.study.cost import check_resources, describe_cost
    from kce.system.lock import folder_lock

    registry = Registry.load()
    if not dry_run and to is None:
        raise KCEError("the study has no folder", "name one with --to")
    if not dry_run and faces is None and scale is None:
        raise KCEError("the study has no faces", "name a face folder with --faces, or try it with --scale small")
    with progress_bars() as progress:
        plan = studies.prepare_study(
            named,
            to or Path(),
            registry,
            faces=faces,
            scale=scale or "",
            seeds=seeds,
            per_class=per_class,
            allow_missing=allow_missing,
            make_world=not dry_run,
            cache=parse_size(cache) if cache else 0,
            progress=progress,
        )
    if dry_run:
        return print_json(plan.dry_run()) if as_json else _print_planned(plan)
    workers = registry.build("engine", engine)
    try:
        for remark in plan.remarks:
            say(f"note: {remark}")
        with progress_bars() as progress:
            estimate = studies.estimate_cost(plan, workers.slots, progress)
        for line in describe_cost(estimate):
            say(line)
        check_resources(estimate)
        with folder_lock(plan.folder, "study"):
            with shown_jobs(True, studies.read_progress, estimate.jobs) as report:
                tasks = studies.run_study(plan, workers, report)
            result = studies.finish_study(plan, tasks, estimate)
            if result["runs"]:
                from kce.report.report import write_report  # only now: it loads what draws

                with progress_bars() as progress:
                    write_report(plan.folder, files=True, progress=progress)
    finally:
        workers.stop()
    if as_json:
        return print_json(result)
    _print_comparison(plan.folder, result)
    failed = [name for name, task in tasks.items() if task.state == "failed"]
    if failed:
        raise KCEError(
            f"{len(failed)} of {len(tasks)} jobs failed; the others are done and compared",
            "the lines above and study.json say why; the same command tries those again",
        )
    return None


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, a demo or a study.")],
    as_json: AsJson = False,
) -> None:
    """Rebuild the report of a run, a demo or a study.

    It is made from what the folder stores: the page, figures for print, and tables.
    """
    from kce.api.report import report as call

    present(
        lambda: call(folder),
        lambda made: print_line(f"{len(made.written)} files; report: {made.report}"),
        as_json,
    )


def _print_planned(plan: StudyPlan) -> None:
    planned = plan.dry_run()
    head = ["group", "seed", "backbone", "plan", "classes", "images", "reuses"]
    rows = [
        [
            str(run["group"]),
            str(run["seed"]),
            run["backbone"],
            run["plan"],
            str(run["classes"] or "?"),
            f"{run['images']:,}" if run["images"] else "?",
            ", ".join(kind.replace("_", " ") for kind in run["reuses"]),
        ]
        for run in planned["runs"]
    ]
    print_table(head, rows)
    print_line(f"{len(rows)} runs, {planned['trainings']} networks to train")


def _print_comparison(folder: Path, result: Mapping[str, Any]) -> None:
    """Print the tables one looks at first; the report has the others."""
    from kce.report.sources import read_report_source
    from kce.report.tables import report_tables

    shown = ("plans-compared", "claims")
    for table in report_tables(read_report_source(folder)) if result["runs"] else ():
        if table.name in shown:
            print_line(f"{table.title}")
            print_table(list(table.head), [list(row) for row in table.rows])
            print_line(f"{table.note}\n")
    print_problems("failed", [f"{name}: {' '.join(error.split())}" for name, error in result["failed"].items()])
    print_line(f"report: {result['report']}")
