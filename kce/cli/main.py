"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli import audit, bench, completion, docs, init, pack_faces, run, study, trace, worlds
from kce.cli import plugins as plugin_commands
from kce.cli.app import App, command_with_defaults
from kce.cli.console import (
    present,
    print_json,
    print_line,
    print_losses,
    print_problems,
    print_table,
    say,
)
from kce.cli.options import AcceptLosses, AsJson, FollowLinks, Seed, Threads
from kce.errors import KCEError
from kce.evaluation.formatting import format_interval
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.cut import CutResult
    from kce.api.demo import DemoResult
    from kce.api.scan import ScanResult

# Read when torch is loaded. Its threads would wait for each other at full speed, on cores that decoding needs: when
# they spin less, small networks get their faces 1.05 to 1.15 times as fast, and are no slower without decoding.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

app = App(
    name="kce",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,  # `main` has the options, without the time to load what they need
    rich_markup_mode=None,
)

MORE = {"allow_extra_args": True}  # the command itself says what is wrong with them


def _version(wanted: bool) -> None:
    if wanted:
        from kce.system.version import __version__

        print_line(__version__)
        plugin_commands.warn_of_other_claimants()
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=completion.install_completion,
            is_eager=True,
            help="Install completion for this shell.",
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show-completion",
            callback=completion.show_completion,
            is_eager=True,
            help="Print what completes the words of commands in this shell.",
        ),
    ] = False,
) -> None:
    """Which forgery labels of which face-forgery datasets mean the same thing?"""


# No argument that typer knows: it would load pydantic to see that a kind is a str, 0.1 s of 0.4.
def list_(
    context: typer.Context,
    plugins: Annotated[
        bool,
        typer.Option("--plugins", help="List the plugins instead: version, author, what they offer."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the components, and whether they work.

    Kinds: dataset, detector, backbone, aligner, reducer, clusterer, evaluator, engine; all of them without KIND. And
    world: the worlds of the benchmarks.
    """
    from kce.registry.registry import Registry

    if stray := context.args[0 if plugins else 1 :]:
        raise KCEError(f"unexpected argument {stray[0]!r}", "name one kind at most, and none with --plugins")
    kind = context.args[0] if context.args else None
    if kind == "world" and not plugins:
        return worlds.list_worlds(as_json)
    registry = Registry.load()
    for note in registry.plugins.notes:
        say(f"note: {note}")
    if plugins:
        return plugin_commands.list_plugins(registry, as_json)
    rows = registry.list_components(kind)
    if as_json:
        return print_json(rows)
    facts: list[dict[str, str]] = [{} for _ in rows]
    if kind == "dataset":
        from kce.data.catalog import describe_dataset

        facts = [describe_dataset(registry, row["name"]) for row in rows]
    print_table(
        ["kind", "name", "plugin", "source", "status", *(facts[0] if facts else ())],
        [
            [
                row["kind"] or "?",
                row["name"],
                f"{row['plugin']}:{row['factory']}",
                row["source"],
                row["status"],
                *fact.values(),
            ]
            for row, fact in zip(rows, facts, strict=True)
        ],
        prose=["media", "licence"],
        secondary=["source", "plugin"],
    )
    for row in rows:
        if row["error"]:
            say(f"{row['status']}: {row['name']}: {row['error']}")
    return None


def show(
    kind: Annotated[str, typer.Argument(help="dataset, detector, backbone ..., or world.")],
    name: Annotated[str, typer.Argument(help="A name that `kce list` shows.")],
    as_json: AsJson = False,
) -> None:
    """Show one component or world, its parameters and where it comes from."""
    if kind == "world":
        return worlds.show_world(name, as_json)
    from kce.registry.registry import Registry, describe_component

    component = describe_component(Registry.load(), kind, name)
    if as_json:
        return print_json(component)
    origin = f"{component['plugin']}:{component['factory']}, {component['source']}"
    print_line(f"{component['kind']} {component['name']}  ({origin})")
    if component["aliases"]:
        print_line(f"also called: {', '.join(component['aliases'])}")
    print_line(f"named in: {component['registry']}\n\n{component['doc']}\n")
    print_table(
        ["parameter", "type", "default", "from"],
        [
            [p["name"], p["type"], "(required)" if p["required"] else repr(p["default"]), p["from"]]
            for p in component["parameters"]
        ],
    )
    return None


def scan(
    dataset: Annotated[str, typer.Argument(help="A dataset's name, as in `kce list dataset`.")],
    root: Annotated[Path, typer.Option(help="The folder that the dataset was unpacked to.")],
    csv: Annotated[Path | None, typer.Option(help="Write one row per sample to this file.")] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode a frame of every file, to find corrupt ones.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="official, or disjoint by identity; also reports who is in several splits.")
    ] = "",
    seed: Seed = 0,
    follow_links: FollowLinks = None,
    accept_losses: AcceptLosses = False,
    as_json: AsJson = False,
) -> None:
    """Show what a dataset on disk holds, and what is wrong with it."""
    from kce.api.scan import scan as call

    present(
        lambda: call(
            dataset,
            root=root,
            csv=csv,
            decode=decode,
            split=split,
            seed=seed,
            follow_links=follow_links,
            accept_losses=accept_losses,
        ),
        _print_scan,
        as_json,
    )


def _print_scan(found: ScanResult) -> None:
    report = found.to_dict()
    print_line(
        f"{report['dataset']} in {report['root']}: {report['samples']} samples, {report['ignored']} files ignored"
    )
    have, published = report["by_category"], report["expected"] or {}
    reals = set(report["real_categories"])
    print_table(
        ["category", "label", "have", "published", "difference"],
        [
            [
                name,
                ("real" if name in reals else "fake") if name in have else "",
                str(have.get(name, 0)),
                str(published.get(name, "")),
                f"{have.get(name, 0) - published[name]:+}" if name in published else "",
            ]
            for name in sorted({*have, *published})
        ],
    )
    if report["several_faces"]:
        print_line(f"{report['several_faces']} faces were the largest of several in their picture or frame")
    if unknown := report["unknown_recordings"]:
        print_line(
            f"{unknown} samples whose recording is unknown: frames of one recording may be among them, and held-out "
            "faces and intervals treat each file as a recording"
        )
    if have and not reals:
        say("note: no category contains reals; all are read as forgeries")
    if made := report["split"]:
        print_table(["split", "samples"], [[name, str(n)] for name, n in report["by_split"].items()])
        leaks = [f"{leak['kind']} {', '.join(leak['names'])}: {', '.join(leak['splits'])}" for leak in report["leaks"]]
        summary = f"{made['mode']} split: {made['dropped']} samples dropped, {len(leaks)} leaks"
        if unknown := made["unknown"]:
            print_line(
                f"{summary} among the {report['samples'] - unknown} samples that name a recording or a person; whether "
                f"recordings of the other {unknown} are in several splits is not known"
            )
        else:
            print_line(summary)
        print_problems("leaks", leaks)
    print_losses(report)
    print_problems("corrupt", report["corrupt"] or [])
    if found.hint:
        say(f"hint: {found.hint}")


def cut(
    dataset: Annotated[str, typer.Argument(help="A dataset's name, as in `kce list dataset`.")],
    root: Annotated[Path, typer.Option(help="The folder that the dataset was unpacked to.")],
    to: Annotated[Path, typer.Option(help="The face folder; several datasets may go into one.")],
    detector: Annotated[str, typer.Option(help="Finds the faces; the paper used retinaface.")] = defaults.DETECTOR,
    per_category: Annotated[
        int | None, typer.Option(help="Faces per category, chosen at random.", show_default="all")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames per video, evenly spread over it.")] = 10,
    seed: Seed = 0,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes.", show_default="one per core and GiB of memory")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="What cuts, as in `kce list engine`: ray = many machines.", show_default="this command"),
    ] = None,
    skip_failing: Annotated[
        bool,
        typer.Option("--skip-failing", help="Record files that the system fails to read as unreadable, and go on."),
    ] = False,
    pack: Annotated[
        bool, typer.Option("--pack", help="Pack the faces in a few tar files instead of a png file for each.")
    ] = False,
    follow_links: FollowLinks = None,
    accept_losses: AcceptLosses = False,
    as_json: AsJson = False,
) -> None:
    """Cut a dataset's faces into a face folder.

    Several datasets may go into one folder. Started again, the command continues where it stopped. A folder whose faces
    are packed stays packed, with and without --pack.
    """
    from kce.api.cut import CutResult
    from kce.api.cut import cut as call

    present(
        lambda: call(
            dataset,
            root=root,
            to=to,
            detector=detector,
            per_category=per_category,
            frames=frames,
            seed=seed,
            workers=workers,
            engine=engine,
            skip_failing=skip_failing,
            pack=pack,
            follow_links=follow_links,
            accept_losses=accept_losses,
        ),
        lambda made: _print_cut(made, per_category) if isinstance(made, CutResult) else print_losses(made.to_dict()),
        as_json,
    )


def _print_cut(made: CutResult, per_category: int | None) -> None:
    report = made.to_dict()
    print_line(f"{made.faces} faces in {made.folder}")
    print_table(["category", "faces"], [[name, str(count)] for name, count in sorted(made.by_category.items())])
    print_line(f"{report['no_face']} no face, {report['unreadable']} unreadable, {report['too_short']} too short")
    if report["several_faces"]:
        print_line(
            f"{report['several_faces']} pictures or frames with several faces: the largest was cut; "
            "the column faces of faces.csv has their number"
        )
    print_problems("problems", made.problems)
    print_losses(report)
    for category in sorted(category for category, count in made.by_category.items() if not count):
        say(f"warning: not one face could be cut of {category}; problems.csv says why")
    for category, count in sorted(report["short_categories"].items()):
        say(f"warning: {category} has {count} faces, fewer than the {per_category} asked for")


def demo(
    to: Annotated[Path, typer.Option(help="The folder for everything that is made.")] = Path("kce-demo"),
    world: Annotated[
        str | None,
        typer.Option(help="A dataset with known truth, NAME:key=value.", show_default="synthetic faces"),
    ] = None,
    seed: Seed = 0,
    threads: Threads = "auto",
    as_json: AsJson = False,
) -> None:
    """Run the whole method on a small synthetic corpus.

    It needs no data and no download.
    """
    from kce.api.demo import demo as call

    present(lambda: call(to=to, world=world, seed=seed, threads=threads), _print_demo, as_json)


def _print_demo(made: DemoResult) -> None:
    print_line("The plan found:")
    by_class = sorted(made.plan.items(), key=lambda item: (item[1], item[0]))
    print_table(["class", "category"], [[name, category] for category, name in by_class])
    print_line("\nHow well forgeries that no model has seen come apart, by plan:")
    print_table(
        ["plan", "classes", "Calinski-Harabasz", "95 % interval", "share of variance", "n", "seed", "ARI of the plan"],
        [
            [
                plan,
                str(line["classes"]),
                f"{line['calinski_harabasz']:.1f}",
                format_interval(line["interval"], ".1f"),
                f"{line['variance_share']:.1%}",
                str(line["n"]),
                str(line["seed"]),
                f"{line['ari_truth']:.2f}",
            ]
            for plan, line in made.plans.items()
        ],
    )
    print_line(f"\nreport: {made.report}")


# In the order in which the help lists them.
app.command(continues=True)(demo)
app.command()(scan)
app.command(continues=True)(cut)
app.command(continues=True)(pack_faces.pack)
app.command(continues=True, context_settings=MORE, cls=command_with_defaults(run.run_defaults))(run.run)
app.command(context_settings=MORE)(run.score)
app.command(continues=True)(study.study)
app.command()(study.report)
app.command()(audit.audit)
app.command(continues="to")(trace.trace)
app.command("list", context_settings=MORE, options_metavar="[OPTIONS] [KIND]")(list_)
app.command()(show)
app.command()(plugin_commands.check)
app.command()(plugin_commands.new)
app.command()(docs.docs)
app.add_typer(bench.bench)
app.add_typer(init.init)
