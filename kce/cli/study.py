"""The commands of a study: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import present, print_line, print_problems, print_table, say
from kce.cli.options import AsJson, Cache
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.study import StudyResult


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
    from kce.api.study import study as call

    present(
        lambda: call(
            named,
            to=to,
            faces=faces,
            scale=scale,
            seeds=seeds,
            per_class=per_class,
            engine=engine,
            cache=cache,
            allow_missing=allow_missing,
            dry_run=dry_run,
        ),
        lambda result: _print_comparison(result) if result.folder else _print_planned(result),
        as_json,
    )


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, a demo, a study, an audit or a bench.")],
    as_json: AsJson = False,
) -> None:
    """Rebuild the report of a run, a demo, a study, an audit or a bench.

    It is made from what the folder stores: the page, figures for print, and tables.
    """
    from kce.api.report import report as call

    present(
        lambda: call(folder),
        lambda made: print_line(f"{len(made.written)} files; report: {made.report}"),
        as_json,
    )


def _print_planned(planned: StudyResult) -> None:
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
        for run in planned.runs
    ]
    print_table(head, rows, prose=["reuses"], secondary=["reuses"])
    for line in planned.cost():
        print_line(line)
    for remark in planned.remarks:
        say(f"note: {remark}")


def _print_comparison(result: StudyResult) -> None:
    """Print the tables one looks at first; the report has the others."""
    shown = ("plans-compared", "claims")
    for table in result.tables():
        if table.name in shown:
            print_line(f"{table.title}")
            print_table(list(table.head), [list(row) for row in table.rows])
            print_line(f"{table.note}\n")
    print_problems("failed", [f"{name}: {' '.join(error.split())}" for name, error in result.failed.items()])
    print_line(f"report: {result.report}")
