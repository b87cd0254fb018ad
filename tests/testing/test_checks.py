"""The conformance kit: sound components pass, and every fault is found by its check."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from kce.errors import KCEError
from kce.hookspecs import KINDS
from kce.testing import checks, conforms
from kce.testing.base import Subject
from kce.testing.runner import checks_of, run_check
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


def failing(subject: Subject, among: set[str] | None = None) -> set[str]:
    looked_at = [check for check in checks_of(subject.kind) if among is None or check.name in among]
    return {check.name for check in looked_at if run_check(check, subject)[0] == "failed"}


@pytest.mark.parametrize(
    ("kind", "factory", "checks_"), faulty.FAULTS, ids=[factory.__name__ for _, factory, _ in faulty.FAULTS]
)
def test_a_fault_is_found_by_its_check(kind: str, factory: Any, checks_: set[str], tree: Path) -> None:
    given = {"root": tree} if kind == "dataset" else {}
    subject = Subject(kind, factory, given, limit=1 if factory is faulty.Hangs else 60)
    assert failing(subject, checks_) == checks_


def test_a_fault_fails_few_other_checks() -> None:
    # A kit that calls everything failing would find every fault too.
    assert failing(Subject("clusterer", faulty.Reseeds)) == {"random-state"}
    assert failing(Subject("reducer", faulty.View)) == {"own-memory"}
    assert failing(Subject("reducer", faulty.SwallowsNaN)) == {"nan-and-infinity"}


def test_a_fault_may_depend_on_parameters() -> None:
    class Some(faulty.Sound):
        def __init__(self, sorts: bool = False) -> None:
            super().__init__()
            self.sorts = sorts

        @staticmethod
        def known_faults(parameters: dict[str, Any]) -> dict[str, str]:
            return {} if parameters["sorts"] else {"row-order": "the first row decides"}

    assert Subject("clusterer", Some, {"sorts": True}).known_faults == {}
    assert Subject("clusterer", Some).known_faults == {"row-order": "the first row decides"}
    assert failing(Subject("clusterer", Some), {"row-order"}) == {"row-order"}  # declared, but it is passed
    assert failing(Subject("clusterer", Some, {"sorts": True}), {"row-order"}) == set()
    Some.known_faults = ["row-order"]  # type: ignore[assignment]
    with pytest.raises(KCEError, match="known_faults") as caught:
        _ = Subject("clusterer", Some).known_faults
    assert caught.value.hint


def test_a_declared_fault_must_be_one() -> None:
    class Declared(faulty.SwallowsNaN):
        known_faults: ClassVar = {"nan-and-infinity": "0 is as good", "silent": "it is not"}

    subject = Subject("reducer", Declared)
    results = {check.name: run_check(check, subject) for check in checks_of("reducer")}
    assert results["nan-and-infinity"][0] == "known fault"
    assert "0 is as good" in results["nan-and-infinity"][1]
    assert results["silent"][0] == "failed"
    assert "remove the declaration" in results["silent"][1]


def test_declared_growth_passes() -> None:
    class Declared(faulty.AllPairs):
        growth: ClassVar = {"memory": 2}

    assert "memory-growth" not in failing(Subject("reducer", Declared))


@pytest.mark.parametrize("kind", KINDS)
def test_checks_have_unique_names_and_sentences(kind: str) -> None:
    checks_ = checks(kind)
    assert [check.name for check in checks_][:3] == ["signature", "builds", "protocol"]
    assert len({check.name for check in checks_}) == len(checks_) > 5
    for check in checks_:
        assert check.text.endswith("."), check.name
        assert check.name.replace("-", "").islower()


def plugin(at: Path, name: str, kind: str, factory: str) -> Registry:
    """A plugins folder with one of the faulty parts in it."""
    text = (
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from kce import hookimpl\nfrom tests.support import faulty\n\n"
        f"@hookimpl\ndef kce_{kind}s():\n    return {{{name!r}: faulty.{factory}}}\n"
    )
    return write(at, **{name: text})


@pytest.mark.parametrize(
    ("factory", "check"),
    [
        ("Prints", "silent"),
        ("PrintsFromC", "silent"),
        ("ExitsAtOnce", "no-exit"),
        ("Hangs", "time-limit"),
        ("anything", "signature"),
    ],
)
def test_the_command_finds_it_and_ends_with_2(kce: Kce, at: Path, factory: str, check: str) -> None:
    plugin(at, "mine", "clusterer", factory)
    done = kce("check", "clusterer", "mine", "--limit", "2", "--json")
    assert done.returncode == 2, done.stderr
    assert "hint: " in done.stderr
    rows = json.loads(done.stdout)
    assert check in {row["check"] for row in rows if row["result"] == "failed"}
    assert sorted(row["check"] for row in rows) == sorted(one.name for one in checks("clusterer"))
    if check in ("no-exit", "time-limit"):
        assert "skipped" in {row["result"] for row in rows}


def test_the_command_says_that_all_is_well(kce: Kce, at: Path) -> None:
    plugin(at, "mine", "clusterer", "Sound")
    done = kce("check", "mine")
    assert done.returncode == 0, done.stderr
    assert "row-for-row" in done.stdout
    assert "no check failed" in done.stderr


def test_a_whole_plugin_is_checked(kce_json: Callable[..., Any], at: Path) -> None:
    text = (
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from kce import hookimpl\nfrom tests.support import faulty\n\n"
        "@hookimpl\ndef kce_clusterers():\n    return {'one': faulty.Sound}\n\n"
        "@hookimpl\ndef kce_reducers():\n    return {'two': faulty.Center}\n"
    )
    write(at, both=text)
    rows = kce_json("check", "both")
    assert {(row["kind"], row["name"]) for row in rows} == {("clusterer", "one"), ("reducer", "two")}
    assert {row["result"] for row in rows} == {"passed"}


@pytest.mark.parametrize(
    "words", [["nosuch"], ["clusterer", "nosuch"], ["no_reducer", "nosuch"], ["clusterer", "kmeans:k=3"]]
)
def test_unknown_names_are_errors(kce: Kce, at: Path, words: list[str]) -> None:
    done = kce("check", *words)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_cannot_be_imported_is_reported_by_name(kce: Kce, at: Path) -> None:
    write(at, mine="import nosuchmodule\n")
    done = kce("check", "mine", "--json")
    assert done.returncode == 2
    assert [(row["check"], row["result"]) for row in json.loads(done.stdout)] == [("imports", "failed")]
    assert "check: Its module can be imported." in kce("check", "mine").stdout


def test_a_package_with_two_plugins_of_one_name_is_reported_by_name(
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
        assert {(row["check"], row["result"]) for row in rows} == {("names", "failed")}
        assert "two plugins are named 'same'" in rows[0]["detail"]
