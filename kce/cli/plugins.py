"""The commands for those who write components of their own: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import print_json, print_line, print_table, progress_bars, say
from kce.cli.options import AsJson
from kce.errors import CheckFailed

if TYPE_CHECKING:
    from kce.registry.registry import Registry


def list_plugins(registry: Registry, as_json: bool) -> None:
    """What ``kce list --plugins`` prints."""
    from kce.registry import distributions

    warn_of_other_claimants()
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
        prose=["offers"],
        secondary=["author", "API"],
    )
    for row in rows:
        if row["error"]:
            say(f"{row['status']}: {row['distribution']}: {row['error']}")
    return None


def warn_of_other_claimants() -> None:
    """Warn of every other installed distribution that claims the module ``kce``."""
    from kce.registry.provenance import other_claimants, reinstall_command

    for claimant in other_claimants():
        say(f"warning: {claimant} is also installed and claims the Python module `kce`, so either may break the other")
        say(f"hint: pip uninstall {claimant.split()[0]}, then {reinstall_command()}")


def new(
    kind: Annotated[str, typer.Argument(help="dataset, detector, backbone, aligner ...")],
    name: Annotated[str, typer.Argument(help="The component's name: small letters, digits and single hyphens.")],
    to: Annotated[Path, typer.Option(help="The folder to create the package's folder in.")] = Path(),
    author: Annotated[str, typer.Option(help="Author for the licence and the metadata.")] = "The author",
    as_json: AsJson = False,
) -> None:
    """Create a package for a component of your own.

    It has a working plugin, its tests, and what it takes to share it.
    """
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
        str | None, typer.Argument(help="One component, with parameters if needed.", show_default="all")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds a component may take for one call.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Check that components do what their kind requires.

    Each component is checked in a separate process.
    """
    from kce.registry.registry import Registry
    from kce.testing import runner

    registry, results = Registry.load(), []
    for note in registry.plugins.notes:
        say(f"note: {note}")
    with progress_bars() as progress:
        for result in runner.check_components(what, name, registry, limit):
            results.append(result)
            progress(f"{result.kind} {result.name}", len(results), None)
    if as_json:
        print_json(runner.rows(results))
    elif [result.check for result in results] == ["library"]:
        (result,) = results
        raise CheckFailed(result.check, f"{result.kind} {result.name}: {result.detail}", "install it, then check again")
    else:
        several = len({(result.kind, result.name) for result in results}) > 1
        table = runner.summary_table(results) if several else runner.detail_table(results)
        print_table(*table, prose=["detail"], secondary=["plugin"])
        for result in results:
            if result.result in ("failed", "known fault") and (several or result.result == "failed"):
                print_line(f"{result.kind} {result.name}: {result.check}: {result.result}: {result.detail}")
                print_line(f"  check: {runner.sentence(result)}")
    failed = [result for result in results if result.result == "failed"]
    if failed:
        raise CheckFailed(
            failed[0].check,
            f"{len(failed)} of {len(results)} checks failed",
            "fix what they report, or declare a check with the reason in the factory's attribute `known_faults`",
        )
    say(f"no check failed: {runner.tally(results)}")
