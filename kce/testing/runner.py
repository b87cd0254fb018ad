"""Whether components keep what their kind promises: the conformance kit, in processes that may be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kce.errors import BrokenPlugin, BrokenPromise, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.registry import Registry
from kce.registry.specs import parse_spec
from kce.system.worker_pool import TaskLost, Workers

# The promises of each kind are made where these are imported.
from kce.testing import (
    common_checks,
    feature_checks,  # noqa: F401
)
from kce.testing.base import ALL, LIMIT, NotChecked, Promise, Subject


@dataclass(frozen=True)
class Verdict:
    """What was found of one promise: "kept", "broken", "known fault" (declared, and broken indeed) or "not checked"."""

    kind: str
    name: str
    plugin: str
    promise: str
    verdict: str
    detail: str = ""


def of_kind(kind: str) -> list[Promise]:
    """The promises of a kind, in the order they are looked at."""
    if kind not in KINDS:
        raise UnknownName.among("kind of component", kind, KINDS)
    its = [promise for promise in ALL if kind in promise.kinds]
    # What all kinds promise comes first: nothing else can be looked at in what cannot be built.
    return sorted(its, key=lambda promise: promise.check.__module__ != common_checks.__name__)


def judge(promise: Promise, subject: Subject) -> tuple[str, str]:
    """(verdict, detail) of one promise, here in this process."""
    reason = subject.known_faults.get(promise.name)
    try:
        promise.keep(subject)
    except NotChecked as skipped:
        return "not checked", str(skipped)
    except BrokenPromise as broken:
        if reason is not None:
            return "known fault", f"{reason} ({broken.message})"
        return "broken", str(broken)
    if reason is not None:
        return "broken", f"it is declared a known fault ({reason}), and is kept: take the declaration out"
    return "kept", ""


def check(what: str, name: str | None, registry: Registry, limit: float = LIMIT) -> Iterator[Verdict]:
    """Every promise of a component ("clusterer", "kmeans:n_clusters=3"), of all of a kind, or of all that a package or
    plugin offers; one verdict after the other.

    Raises UnknownName where there is no such kind, package or component.
    """
    if limit <= 0:
        raise KCEError(f"{limit:g} seconds are no time to answer in", "give a number above 0")
    for kind, spec, plugin in _wanted(what, name, registry):
        if not kind:
            yield Verdict("", spec, plugin, *_unusable(plugin, registry))
            continue
        yield from _component(kind, spec, plugin, registry, limit)


def _wanted(what: str, name: str | None, registry: Registry) -> list[tuple[str, str, str]]:
    """(kind, spec, plugin) of each component; a plugin that cannot say what it offers has no kind."""
    rows = registry.list_components()
    if what in KINDS:
        if name is not None:
            entry = registry.entry(what, parse_spec(name)[0])
            return [(what, name, entry.plugin)]
        return [(what, row["name"], row["plugin"]) for row in rows if row["kind"] == what and row["status"] == "ok"]
    mine = [row for row in rows if what in (row["plugin"], row["source"], row["source"].rpartition(" ")[0])]
    if name is not None:
        mine = [row for row in mine if row["name"] == parse_spec(name)[0]]
    if not mine:
        known = {row["source"].rpartition(" ")[0] or row["plugin"] for row in rows if row["source"] != "built-in"}
        raise UnknownName.among(
            "kind, package or plugin" if name is None else f"component of {what}",
            what if name is None else name,
            {*KINDS, *known} if name is None else {row["name"] for row in rows},
            "`kce check KIND NAME` or `kce check PACKAGE`; `kce list` shows what is there",
        )
    return [(row["kind"], name or row["name"], row["plugin"]) for row in mine]


def _unusable(plugin: str, registry: Registry) -> tuple[str, str, str]:
    try:
        registry.plugins.offers(plugin)
    except BrokenPlugin as broken:
        return broken.promise, "broken", str(broken)
    return "imports", "kept", ""


def _component(kind: str, spec: str, plugin: str, registry: Registry, limit: float) -> Iterator[Verdict]:
    promises_ = of_kind(kind)
    name = parse_spec(spec)[0]
    try:
        told = (kind, spec, str(registry.folder.absolute()), limit)
        crew = Workers(1, _examiner, told, limit=3 * limit, tries=1, parents=True)
    except BrokenPlugin as broken:
        yield Verdict(kind, name, plugin, broken.promise, "broken", str(broken))
        return
    lost = blamed = ""
    with crew:
        for promise in promises_:
            if promise.name == blamed:
                continue
            if lost:
                yield Verdict(kind, name, plugin, promise.name, "not checked", lost)
                continue
            crew.submit(promise.name)
            found = crew.take()
            if isinstance(found, TaskLost):
                lost = "it gives no answer" if found.timed_out else "it ends the process"
                blamed = "in-time" if found.timed_out else promise.name
                if blamed != promise.name:
                    yield Verdict(kind, name, plugin, promise.name, "not checked", lost)
                yield Verdict(kind, name, plugin, blamed, "broken", f"{lost}: {found.reason}")
            else:
                yield Verdict(kind, name, plugin, promise.name, *found)


def _examiner(kind: str, spec: str, folder: str, limit: float) -> Callable[[str], tuple[str, str]]:
    """What the process of its own does: judges one promise after the other of one component."""
    subject = Subject.of(kind, spec, {}, Registry.load(folder))
    subject.limit = limit

    def work(name: str) -> tuple[str, str]:
        (promise,) = [promise for promise in of_kind(kind) if promise.name == name]
        return judge(promise, subject)

    return work


VERDICTS = ("kept", "broken", "known fault", "not checked")


def table(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """For ``kce check --json``: one row per promise."""
    return [dict(vars(verdict)) for verdict in verdicts]


PLUGIN = {
    "imports": "Its module can be imported.",
    "api": "It was written for this version of the plugin API.",
    "hooks": "Its hooks are known ones, and return {name: factory}.",
    "names": "Its name and those of its components are nobody else's.",
}
"""What a plugin promises as a whole."""


def sentence(verdict: Verdict) -> str:
    """What was promised."""
    its = {promise.name: promise.text for promise in ALL if verdict.kind in promise.kinds}
    return {**PLUGIN, **its}[verdict.promise]


def tally(verdicts: list[Verdict]) -> str:
    """How many verdicts there are of each sort, in words."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def lines(verdicts: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: one line per promise of one component."""
    return ["promise", "verdict", "detail"], [
        [verdict.promise, verdict.verdict, verdict.detail.partition("\n")[0]] for verdict in verdicts
    ]


def summary(verdicts: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: one line per component, with the number of promises by verdict."""
    components = dict.fromkeys((verdict.kind, verdict.name, verdict.plugin) for verdict in verdicts)
    counts = Counter((verdict.kind, verdict.name, verdict.plugin, verdict.verdict) for verdict in verdicts)
    return ["kind", "name", "plugin", *VERDICTS], [
        [*component, *(str(counts[*component, verdict]) for verdict in VERDICTS)] for component in components
    ]
