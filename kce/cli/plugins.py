"""The commands for those who write components of their own: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import AsJson, print_json, print_line, print_table, progress_bars, say
from kce.errors import BrokenPromise

if TYPE_CHECKING:
    from kce.registry.registry import Registry


def list_plugins(registry: Registry, as_json: bool) -> None:
    """What ``kce list --plugins`` prints."""
    from kce.registry import distributions

    rows = distributions.list_distributions(registry)
    if as_json:
        return print_json(rows)
    print_table(
        ["distribution", "version", "author", "API", "offers", "status"],
        [
            [
                row["distribution"],
                row["version"],
                row["author"],
                row["api"],
                "; ".join(f"{kind}: {', '.join(names)}" for kind, names in row["offers"].items()),
                row["status"],
            ]
            for row in rows
        ],
    )
    for row in rows:
        if row["error"]:
            say(f"{row['status']}: {row['distribution']}: {row['error']}")
    return None


def new(
    kind: Annotated[str, typer.Argument(help="dataset, detector, backbone, aligner ...")],
    name: Annotated[str, typer.Argument(help="What it will be called: small letters, digits, and '-' between them.")],
    to: Annotated[Path, typer.Option(help="Where the package's folder goes.")] = Path(),
    author: Annotated[str, typer.Option(help="Named in its licence and metadata.")] = "The author",
    as_json: AsJson = False,
) -> None:
    """Write a package with a component of your own: a plugin that works, its test, and all it takes to share it."""
    from kce.registry import scaffold as packages
    from kce.registry.registry import Registry

    folder = packages.write_package(kind, name, author, to, Registry.load())
    steps = packages.next_steps(kind, name, folder)
    if as_json:
        return print_json({"folder": str(folder), "steps": steps})
    print_line(f"{folder} is ready. Next:\n")
    for step in steps:
        print_line(f"  {step}")
    return None


def check(
    what: Annotated[str, typer.Argument(help="A kind (clusterer ...), an installed package, or a plugin.")],
    name: Annotated[
        str | None, typer.Argument(help="A component, with parameters if need be; all of them if left out.")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds a component may take for an answer.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """See whether components keep what their kind promises; each is looked at in a process of its own."""
    from kce.registry.registry import Registry
    from kce.testing import runner as kit

    verdicts = []
    with progress_bars() as progress:
        for verdict in kit.check(what, name, Registry.load(), limit):
            verdicts.append(verdict)
            progress(f"{verdict.kind} {verdict.name}", len(verdicts), None)
    if as_json:
        print_json(kit.table(verdicts))
    else:
        several = len({(verdict.kind, verdict.name) for verdict in verdicts}) > 1
        print_table(*(kit.summary(verdicts) if several else kit.lines(verdicts)))
        for verdict in verdicts:
            if verdict.verdict in ("broken", "known fault") and (several or verdict.verdict == "broken"):
                print_line(f"{verdict.kind} {verdict.name}: {verdict.promise}: {verdict.verdict}: {verdict.detail}")
                print_line(f"  promised: {kit.sentence(verdict)}")
    broken = [verdict for verdict in verdicts if verdict.verdict == "broken"]
    if broken:
        raise BrokenPromise(
            broken[0].promise,
            f"{len(broken)} of {len(verdicts)} promises are broken",
            "mend them, or declare with the reason what cannot be kept: the factory's attribute `known_faults`",
        )
    say(f"none broken: {kit.tally(verdicts)}")
