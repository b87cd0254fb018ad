"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from kce.errors import KCEError

Command = TypeVar("Command", bound=Callable[..., Any])


class App(typer.Typer):
    """A Typer whose errors are for people: a message and a hint where they can mend it, a traceback where we must."""

    def command(self, *args: Any, **kwargs: Any) -> Callable[[Command], Command]:
        """Register a command that ends as the contract says: 0, 2 with a hint, 130 when interrupted, else 1."""
        register = super().command(*args, **kwargs)
        return lambda command: register(_ending_well(command))


def _ending_well(command: Command) -> Command:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KCEError as error:
            _fail(error.message, error.hint)
        except KeyboardInterrupt:
            _say("interrupted; the same command goes on where it stopped")
            sys.stdout.flush()
            # Not sys.exit: where the interrupt came through C code that runs Python (an import of torch), the
            # interpreter remembers it and ends by the signal, whatever status it is given.
            os._exit(130)
        except BrokenPipeError:  # the reader of our output has left: nobody is there to tell
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _fail(f"the disk is full: {error}", "make room; the same command goes on where it stopped")
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
                _fail(str(error), "choose a place that can be read and written")
            raise

    return cast("Command", guarded)


def _fail(message: str, hint: str) -> None:
    if os.environ.get("KCE_DEBUG") == "1":
        traceback.print_exc()
    _say(f"error: {message}")
    if hint:
        _say(f"hint: {hint}")
    sys.exit(2)


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - the command line is what prints


app = App(
    name="kce",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn by lot.")]
MORE = {"allow_extra_args": True}  # `--unknown A B C`, as well as `--unknown A --unknown B`


def _version(wanted: bool) -> None:
    if wanted:
        from kce import __version__

        _print(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which forgery labels of which face-forgery datasets mean the same thing?"""


@app.command("list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="dataset, detector, backbone, aligner ...; all if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every component in reach: its name, the plugin behind it, and whether it works."""
    from kce.registry import Registry

    rows = Registry.load().rows(kind)
    if as_json:
        return _print_json(rows)
    _table(
        ["kind", "name", "plugin", "source", "status"],
        [
            [row["kind"] or "?", row["name"], f"{row['plugin']}:{row['factory']}", row["source"], row["status"]]
            for row in rows
        ],
    )
    for row in rows:
        if row["error"]:
            _say(f"{row['status']}: {row['name']}: {row['error']}")
    return None


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="dataset, detector, backbone ...")],
    name: Annotated[str, typer.Argument(help="A name `kce list` knows.")],
    as_json: AsJson = False,
) -> None:
    """Show one component: what it is, its parameters with their defaults, and where it comes from."""
    from kce.registry import Registry, describe

    found = describe(Registry.load(), kind, name)
    if as_json:
        return _print_json(found)
    _print(f"{found['kind']} {found['name']}  ({found['plugin']}:{found['factory']}, {found['source']})")
    if found["aliases"]:
        _print(f"also called: {', '.join(found['aliases'])}")
    _print(f"named by: {found['registry']}\n\n{found['doc']}\n")
    _table(
        ["parameter", "type", "default", "from"],
        [
            [p["name"], p["type"], "(needed)" if p["required"] else repr(p["default"]), p["from"]]
            for p in found["parameters"]
        ],
    )
    return None


@app.command()
def scan(
    dataset: Annotated[str, typer.Argument(help="A dataset's name, as in `kce list dataset`.")],
    root: Annotated[Path, typer.Option(help="Where the dataset lies.")],
    csv: Annotated[Path | None, typer.Option(help="Write one row per sample to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look through a dataset on disk: what is there, what is missing, what cannot be read."""
    from kce import scan as scanning
    from kce.registry import Registry

    found = Registry.load().build("dataset", dataset, root=root)
    failed = None
    try:
        with _progress() as progress:
            report = scanning.scan(found, root, csv=csv, progress=progress)
    except scanning.ScanFailed as error:
        failed, report = error, error.report  # what was found is shown all the same
    if as_json:
        _print_json(report)
    else:
        _scanned(report)
    if failed:
        raise failed


def _scanned(report: dict[str, Any]) -> None:
    _print(f"{report['dataset']} in {report['root']}: {report['samples']} samples, {report['ignored']} files ignored")
    expected = report["expected"] or {}
    names = sorted({*report["by_category"], *expected})
    _table(
        ["category", "samples", "published"],
        [[name, str(report["by_category"].get(name, 0)), str(expected.get(name, ""))] for name in names],
    )
    for what in ("unparsed", "missing", "conflicts"):
        _complain(what, report[what])


@app.command()
def cut(
    dataset: Annotated[str, typer.Argument(help="A dataset's name, as in `kce list dataset`.")],
    root: Annotated[Path, typer.Option(help="Where the dataset lies.")],
    to: Annotated[Path, typer.Option(help="The face folder; several datasets may go into one.")],
    detector: Annotated[str, typer.Option(help="Finds the faces; the paper's is retinaface.")] = "yunet",
    per_category: Annotated[
        int | None, typer.Option(help="Faces of each category, drawn by lot; all if left out.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames of each video, evenly spread over it.")] = 10,
    seed: Seed = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; as many as there are processors if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Cut the faces out of a dataset's pictures and videos into a face folder."""
    from kce.cut import cut as cut_faces
    from kce.registry import Registry

    found = Registry.load().build("dataset", dataset, root=root)
    with _progress() as progress:
        report = cut_faces(
            found,
            to,
            detector=detector,
            frames=frames,
            per_category=per_category,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    if as_json:
        return _print_json(report)
    _print(f"{report['faces']} faces in {to}")
    _table(["category", "faces"], [[name, str(count)] for name, count in sorted(report["by_category"].items())])
    _print(", ".join(f"{report[what]} {what.replace('_', ' ')}" for what in ("no_face", "unreadable", "too_short")))
    _complain("problems", report["problems"])
    for category, count in sorted(report["short_categories"].items()):
        _say(f"warning: {category} has {count} faces, fewer than the {per_category} asked for")
    return None


@app.command(context_settings=MORE)
def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The run's folder; a run that is there goes on.")],
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", help="A recipe in TOML, instead of the choices below.")
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="The face folder.")] = None,
    unknown: Annotated[list[str] | None, typer.Option(help="Categories to hold back for the evaluation.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Network; xception if left out.")] = None,
    aligner: Annotated[
        str | None, typer.Option(help="Takes the dataset out of the features; none if left out.")
    ] = None,
    reducer: Annotated[str | None, typer.Option(help="Before clustering; pca:n_components=64 if left out.")] = None,
    clusterer: Annotated[str | None, typer.Option(help="Makes the plan; kmeans if left out.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="none, name, random, clusters (if left out), or a plan.toml.")
    ] = None,
    k: Annotated[str | None, typer.Option(help='Classes of the plan; "name" (if left out) = as many as names.')] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Training faces of each class; as many as all have if left out.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="3 if left out, as in the paper.")] = None,
    batch: Annotated[int | None, typer.Option(help="Faces a step; 32 if left out.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate; 0.001 if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn by lot; 0 if left out.")] = None,
    until: Annotated[str, typer.Option(help="Stop after: first, known, plan, final, unknown, scores.")] = "scores",
    as_json: AsJson = False,
) -> None:
    """Run the method: train, cluster, merge, train again, and score the categories it has never seen."""
    from kce import recipe as recipes
    from kce import report
    from kce.registry import Registry
    from kce.run import run as run_all

    chosen = recipes.choose(
        folder,
        recipe_file,
        faces=str(faces) if faces else None,
        unknown=_with_more(context, unknown, "--unknown"),
        backbone=backbone,
        aligner=aligner,
        reducer=reducer,
        clusterer=clusterer,
        plan=plan,
        k=int(k) if k and k.isdigit() else k,
        seed=seed,
        train={"per_class": per_class, "epochs": epochs, "batch": batch, "rate": rate},
    )
    with _progress() as progress:
        found = run_all(folder, chosen, Registry.load(), until, progress=progress)
    if "scores" in found:
        report.write_run(folder, found)
    if as_json:
        return _print_json(found)
    if "plan" in found:
        _table(["category", "class"], [[category, name] for category, name in sorted(found["plan"].items())])
    if "scores" in found:
        _scores(found)
        _print(f"report: {folder / 'report.html'}")
    return None


@app.command(context_settings=MORE)
def score(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="FEATURES.h5:/TABLE")],
    reducer: Annotated[str, typer.Option(help="Before scoring.")] = "none",
    evaluator: Annotated[list[str] | None, typer.Option(help="calinski-harabasz if left out.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Score a feature table by its labels, with intervals."""
    from kce.registry import Registry
    from kce.run import score_table

    evaluators = _with_more(context, evaluator, "--evaluator") or ("calinski-harabasz",)
    found = score_table(table, reducer, evaluators, Registry.load(), seed)
    return _print_json(found) if as_json else _scores(found)


@app.command()
def demo(
    to: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("kce-demo"),
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """See the whole method at work on a small corpus that is made on the spot."""
    from kce.demo import demo as run_demo
    from kce.registry import Registry

    with _progress() as progress:
        found = run_demo(to, Registry.load(), seed, progress=progress)
    if as_json:
        return _print_json(found)
    _print("The plan found:")
    by_class = sorted(found["plan"].items(), key=lambda item: (item[1], item[0]))
    _table(["class", "category"], [[name, category] for category, name in by_class])
    _print("\nHow well forgeries that no model has seen come apart, by plan:")
    _table(
        ["plan", "classes", "Calinski-Harabasz", "95 % interval", "share of variance", "n", "seed", "ARI of the plan"],
        [
            [
                plan,
                str(line["classes"]),
                f"{line['calinski_harabasz']:.1f}",
                _interval(line["interval"], ".1f"),
                f"{line['variance_share']:.1%}",
                str(line["n"]),
                str(line["seed"]),
                f"{line['ari_truth']:.2f}",
            ]
            for plan, line in found["plans"].items()
        ],
    )
    _print(f"\nreport: {found['report']}")
    return None


def _with_more(context: typer.Context, given: list[str] | None, option: str) -> tuple[str, ...] | None:
    if context.args and not given:
        raise KCEError(f"{context.args[0]!r} belongs to nothing", f"several values follow {option}")
    return (*given, *context.args) if given else None


def _scores(found: dict[str, Any]) -> None:
    intervals = found["intervals"]
    _table(
        ["evaluator", "figure", "value", "95 % interval", "n", "seed"],
        [
            [
                evaluator,
                name,
                f"{value:.4g}",
                _interval(intervals.get(evaluator, {}).get(name), ".4g"),
                str(found["n"]),
                str(found["seed"]),
            ]
            for evaluator, values in found["scores"].items()
            for name, value in values.items()
        ],
    )


def _interval(span: list[float] | None, form: str) -> str:
    return f"{span[0]:{form}} to {span[1]:{form}}" if span else "-"


def _complain(what: str, lines: list[str], most: int = 10) -> None:
    for line in lines[:most]:
        _say(f"{what}: {line}")
    if len(lines) > most:
        _say(f"{what}: and {len(lines) - most} more; --json lists them all")


def _print(text: str) -> None:
    print(text)  # noqa: T201 - the command line is what prints


def _print_json(document: Any) -> None:
    _print(json.dumps(document, ensure_ascii=False, indent=1))


def _table(head: list[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as text: a name like "[원천]" is no markup
    # A pipe or a file has no width of its own: there no row is folded.
    Console(width=None if sys.stdout.isatty() else 250).print(table)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Bars on standard error, one for each thing that is being done, with rate and time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bars = Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}
    started = contextlib.ExitStack()

    def show_progress(what: str, done: int, total: int | None) -> None:
        if not tasks:  # no empty line for a command that ends before it has anything to show
            started.enter_context(bars)
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total, completed=done, rate="")
        task = next(t for t in bars.tasks if t.id == tasks[what])
        bars.update(tasks[what], completed=done, total=total, rate=f"{task.speed:.0f}/s" if task.speed else "")

    with started:
        yield show_progress
