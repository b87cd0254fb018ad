"""Runs the checks of components, each component in another process, which may be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from kce.errors import BrokenPlugin, CheckFailed, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.registry import Registry
from kce.registry.specs import parse_spec
from kce.system.worker_pool import TaskLost, Workers

# Importing these defines the checks of each kind.
from kce.testing import (
    common_checks,
    engine_checks,  # noqa: F401
    feature_checks,  # noqa: F401
    image_checks,  # noqa: F401
    tracer_checks,  # noqa: F401
)
from kce.testing.base import ALL, LIMIT, Check, CheckSkipped, Subject

Result = Literal["passed", "failed", "known fault", "skipped"]
RESULTS: tuple[Result, ...] = ("passed", "failed", "known fault", "skipped")


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of one component; a row of ``kce check --json``.

    Attributes:
        kind: The kind of the component; empty for a plugin as a whole.
        name: The component, or the plugin.
        plugin: Where the component comes from.
        check: The name of the check.
        result: "passed", "failed", "known fault" (declared, and it fails indeed) or "skipped".
        detail: What is wrong, or why it was skipped.
    """

    kind: str
    name: str
    plugin: str
    check: str
    result: Result
    detail: str = ""


def checks_of(kind: str) -> list[Check]:
    """Return the checks of a kind in the order in which they run; raise UnknownName if there is no such kind."""
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)
    checks = [check for check in ALL if kind in check.kinds]
    # The common ones come first: what cannot be built cannot be checked further.
    return sorted(checks, key=lambda check: check.function.__module__ != common_checks.__name__)


def run_check(check: Check, subject: Subject) -> tuple[Result, str]:
    """Run one check in this process and return (result, detail)."""
    reason = subject.known_faults.get(check.name)
    try:
        check.run(subject)
    except CheckSkipped as skipped:
        return "skipped", str(skipped)
    except CheckFailed as failed:
        if reason is not None:
            return "known fault", f"{reason} ({failed.message})"
        return "failed", str(failed)
    if reason is not None:
        return "failed", f"it is declared as a known fault ({reason}) but passes: remove the declaration"
    return "passed", ""


def check_components(what: str, name: str | None, registry: Registry, limit: float = LIMIT) -> Iterator[CheckResult]:
    """Run every check of some components, one result after the other.

    Args:
        what: A kind ("clusterer"), a package or a plugin.
        name: One component of it, with or without parameters ("kmeans:n_clusters=3"); None for all.
        registry: Where names are looked up.
        limit: Seconds a component may take to answer.

    Raises:
        UnknownName: There is no such kind, package or component.
        KCEError: The limit is not above 0.
    """
    if limit <= 0:
        raise KCEError(f"the time limit is {limit:g} seconds", "give a number above 0")
    for kind, spec, plugin in _select(what, name, registry):
        if kind:
            yield from _check_component(kind, spec, plugin, registry, limit)
        else:
            yield CheckResult("", spec, plugin, *_check_plugin(plugin, registry))


def _select(what: str, name: str | None, registry: Registry) -> list[tuple[str, str, str]]:
    """(kind, spec, plugin) of each component; a plugin that cannot be used has no kind."""
    rows = registry.list_components()
    if what in KINDS:
        if name is not None:
            entry = registry.entry(what, parse_spec(name)[0])
            return [(what, name, entry.plugin)]
        return [(what, row["name"], row["plugin"]) for row in rows if row["kind"] == what and row["status"] == "ok"]
    selected = [row for row in rows if what in (row["plugin"], row["source"], row["source"].rpartition(" ")[0])]
    if name is not None:
        selected = [row for row in selected if row["name"] == parse_spec(name)[0]]
    if not selected:
        known = {row["source"].rpartition(" ")[0] or row["plugin"] for row in rows if row["source"] != "built-in"}
        raise UnknownName.among(
            "kind, package or plugin" if name is None else f"component of {what}",
            what if name is None else name,
            {*KINDS, *known} if name is None else {row["name"] for row in rows},
            "`kce check KIND NAME` or `kce check PACKAGE`; `kce list` shows what there is",
        )
    return [(row["kind"], name or row["name"], row["plugin"]) for row in selected]


def _check_plugin(plugin: str, registry: Registry) -> tuple[str, Result, str]:
    try:
        registry.plugins.offered(plugin)
    except BrokenPlugin as broken:
        return broken.check, "failed", str(broken)
    return "imports", "passed", ""


def _check_component(kind: str, spec: str, plugin: str, registry: Registry, limit: float) -> Iterator[CheckResult]:
    name = parse_spec(spec)[0]
    try:
        if missing := registry.missing(kind, name):
            yield CheckResult(kind, name, plugin, "library", "failed", missing)
            return
        arguments = (kind, spec, str(registry.folder.absolute()), limit)
        workers = Workers(1, _worker, arguments, limit=3 * limit, tries=1, parents=True)
    except BrokenPlugin as broken:
        yield CheckResult(kind, name, plugin, broken.check, "failed", str(broken))
        return
    lost = blamed = ""
    with workers:
        for check in checks_of(kind):
            if check.name == blamed:
                continue
            if lost:
                yield CheckResult(kind, name, plugin, check.name, "skipped", lost)
                continue
            workers.submit(check.name)
            outcome = workers.take()
            if isinstance(outcome, TaskLost):
                lost = "it does not answer" if outcome.timed_out else "it ends the process"
                blamed = "time-limit" if outcome.timed_out else check.name
                if blamed != check.name:
                    yield CheckResult(kind, name, plugin, check.name, "skipped", lost)
                yield CheckResult(kind, name, plugin, blamed, "failed", f"{lost}: {outcome.reason}")
            else:
                yield CheckResult(kind, name, plugin, check.name, *outcome)


def _worker(kind: str, spec: str, folder: str, limit: float) -> Callable[[str], tuple[Result, str]]:
    """In the other process: return what runs one check, by its name, of this component."""
    subject = Subject.create(kind, spec, {}, Registry.load(folder))
    subject.limit = limit

    def work(name: str) -> tuple[Result, str]:
        (check,) = [check for check in checks_of(kind) if check.name == name]
        return run_check(check, subject)

    return work


PLUGIN_CHECKS = {
    "imports": "Its module can be imported.",
    "api": "It was written for this version of the plugin API.",
    "hooks": "Its hooks are known ones and return {name: factory}.",
    "names": "Its name and those of its components are unique.",
    "library": "The libraries that it needs are installed.",
}
"""The checks of a plugin as a whole, by name."""


def sentence(result: CheckResult) -> str:
    """Return what the component must do to pass the check."""
    texts = {check.name: check.text for check in ALL if result.kind in check.kinds}
    return {**PLUGIN_CHECKS, **texts}[result.check]


def rows(results: list[CheckResult]) -> list[dict[str, Any]]:
    """Return the rows of ``kce check --json``, one per check."""
    return [dict(vars(result)) for result in results]


def tally(results: list[CheckResult]) -> str:
    """Return how many checks had each result: "30 passed, 1 known fault"."""
    counts = Counter(result.result for result in results)
    return ", ".join(f"{counts[result]} {result}" for result in RESULTS if counts[result])


def detail_table(results: list[CheckResult]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table with one line per check of one component."""
    return ["check", "result", "detail"], [
        [result.check, result.result, result.detail.partition("\n")[0]] for result in results
    ]


def summary_table(results: list[CheckResult]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table with one line per component: how many of its checks had each result."""
    components = dict.fromkeys((result.kind, result.name, result.plugin) for result in results)
    counts = Counter((result.kind, result.name, result.plugin, result.result) for result in results)
    return ["kind", "name", "plugin", *RESULTS], [
        [*component, *(str(counts[*component, result]) for result in RESULTS)] for component in components
    ]
