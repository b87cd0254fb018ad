"""The conformance kit: what is sound passes, and every fault is found under the name of the promise it breaks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from kce.hookspecs import KINDS
from kce.testing import checks, conforms
from kce.testing.base import Subject
from kce.testing.runner import judge, of_kind
from tests.conftest import REPOSITORY
from tests.registry.test_registry import install, write
from tests.support import faulty

if TYPE_CHECKING:
    from kce.registry.registry import Registry

Kce = Callable[..., subprocess.CompletedProcess[str]]

test_a_sound_clusterer = conforms("clusterer", faulty.Sound)
test_a_sound_reducer = conforms("reducer", faulty.Center)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("fake/a.png", "fake/b.png", "real/a.png"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"")
    return tmp_path / "tree"


def broken(subject: Subject, among: set[str] | None = None) -> set[str]:
    looked_at = [promise for promise in of_kind(subject.kind) if among is None or promise.name in among]
    return {promise.name for promise in looked_at if judge(promise, subject)[0] == "broken"}


@pytest.mark.parametrize(
    ("kind", "factory", "promises"), faulty.FAULTS, ids=[factory.__name__ for _, factory, _ in faulty.FAULTS]
)
def test_a_fault_is_found_by_the_promise_it_breaks(kind: str, factory: Any, promises: set[str], tree: Path) -> None:
    given = {"root": tree} if kind == "dataset" else {}
    subject = Subject(kind, factory, given, limit=1 if factory is faulty.Hangs else 60)
    assert broken(subject, promises) == promises


def test_a_fault_of_one_kind_breaks_few_other_promises() -> None:
    # A kit that calls everything broken would find every fault too.
    assert broken(Subject("clusterer", faulty.Reseeds)) == {"random-state"}
    assert broken(Subject("reducer", faulty.View)) == {"own-memory"}
    assert broken(Subject("reducer", faulty.SwallowsNaN)) == {"not-finite"}


def test_a_declared_fault_must_be_one() -> None:
    class Declared(faulty.SwallowsNaN):
        known_faults: ClassVar = {"not-finite": "0 is as good", "silent": "it is not"}

    subject = Subject("reducer", Declared)
    found = {promise.name: judge(promise, subject) for promise in of_kind("reducer")}
    assert found["not-finite"][0] == "known fault"
    assert "0 is as good" in found["not-finite"][1]
    assert found["silent"][0] == "broken"
    assert "take the declaration out" in found["silent"][1]


def test_growth_that_is_declared_is_kept() -> None:
    class Declared(faulty.AllPairs):
        growth: ClassVar = {"memory": 2}

    assert "memory-growth" not in broken(Subject("reducer", Declared))


@pytest.mark.parametrize("kind", KINDS)
def test_promises_have_names_of_their_own_and_sentences(kind: str) -> None:
    promises = checks(kind)
    assert [promise.name for promise in promises][:3] == ["signature", "builds", "protocol"]
    assert len({promise.name for promise in promises}) == len(promises) > 5
    for promise in promises:
        assert promise.text.endswith("."), promise.name
        assert promise.name.replace("-", "").islower()


def plugin(at: Path, name: str, kind: str, factory: str) -> Registry:
    """A plugins folder with one of the faulty parts in it."""
    text = (
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from kce import hookimpl\nfrom tests.support import faulty\n\n"
        f"@hookimpl\ndef kce_{kind}s():\n    return {{{name!r}: faulty.{factory}}}\n"
    )
    return write(at, **{name: text})


@pytest.mark.parametrize(
    ("factory", "promise"),
    [
        ("Prints", "silent"),
        ("PrintsFromC", "silent"),
        ("ExitsAtOnce", "stays"),
        ("Hangs", "in-time"),
        ("anything", "signature"),
    ],
)
def test_the_command_finds_it_and_ends_with_2(kce: Kce, at: Path, factory: str, promise: str) -> None:
    plugin(at, "mine", "clusterer", factory)
    done = kce("check", "clusterer", "mine", "--limit", "2", "--json")
    assert done.returncode == 2, done.stderr
    assert "hint: " in done.stderr
    rows = json.loads(done.stdout)
    assert promise in {row["promise"] for row in rows if row["verdict"] == "broken"}
    assert sorted(row["promise"] for row in rows) == sorted(one.name for one in checks("clusterer"))
    if promise in ("stays", "in-time"):
        assert "not checked" in {row["verdict"] for row in rows}


def test_the_command_says_that_all_is_well(kce: Kce, at: Path) -> None:
    plugin(at, "mine", "clusterer", "Sound")
    done = kce("check", "mine")
    assert done.returncode == 0, done.stderr
    assert "row-for-row" in done.stdout
    assert "none broken" in done.stderr


def test_a_whole_plugin_is_looked_at(kce_json: Callable[..., Any], at: Path) -> None:
    rows = kce_json("check", "plain")
    assert {(row["kind"], row["name"]) for row in rows} == {("aligner", "none"), ("reducer", "none")}
    assert {row["verdict"] for row in rows} == {"kept"}


@pytest.mark.parametrize(
    "words", [["nosuch"], ["clusterer", "nosuch"], ["plain", "nosuch"], ["clusterer", "kmeans:k=3"]]
)
def test_what_is_not_there_is_told(kce: Kce, at: Path, words: list[str]) -> None:
    done = kce("check", *words)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_cannot_be_imported_is_told_by_name(kce: Kce, at: Path) -> None:
    write(at, mine="import nosuchmodule\n")
    done = kce("check", "mine", "--json")
    assert done.returncode == 2
    assert [(row["promise"], row["verdict"]) for row in json.loads(done.stdout)] == [("imports", "broken")]
    assert "promised: Its module can be imported." in kce("check", "mine").stdout


def test_a_package_with_two_plugins_of_one_name_is_told_by_name(
    kce: Kce, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(at, "kce_one", same="kce_one")
    about = at / "kce_one-1.0.dist-info" / "entry_points.txt"
    about.write_text(about.read_text() + "same = kce_one:other\n")
    install(at, "kce_two", same="kce_two")
    for package in ("kce_one", "kce_two"):
        done = kce("check", package, "--json", env={"PYTHONPATH": str(at)})
        assert done.returncode == 2
        rows = json.loads(done.stdout)
        assert {(row["promise"], row["verdict"]) for row in rows} == {("names", "broken")}
        assert "two plugins are named 'same'" in rows[0]["detail"]
