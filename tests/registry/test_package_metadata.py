"""The metadata of installed packages: one that is broken stops no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kce.registry.package_metadata import entry_points, installed_packages
from kce.registry.provenance import other_claimants
from kce.registry.registry import Registry
from tests.conftest import REPOSITORY
from tests.support.hostile_plugins import good

Kce = Callable[..., "subprocess.CompletedProcess[str]"]


def install(site: Path, name: str, points: bytes = b"", folder: str = "") -> Path:
    """A distribution of one module that offers a clusterer; returns the folder of its metadata."""
    module = name.replace("-", "_")
    about = site / (folder or f"{module}-1.0.dist-info")
    about.mkdir(parents=True)
    (site / f"{module}.py").write_text(good(name))
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_bytes(points or f"[kce]\n{name} = {module}\n".encode())
    return about


def stranger(site: Path, name: str) -> None:
    """One of many ways in which metadata are broken, of a package that has nothing to do with KCE."""
    about = site / "stranger-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    points = about / "entry_points.txt"
    texts = {
        "no equals": b"[console_scripts]\nthis line is nothing\n",
        "latin-1": "[console_scripts]\ncaf\xe9 = a:b\n".encode("latin-1"),
        "utf-16": "[kce]\na = b\n".encode("utf-16"),
        "nulls": b"\0" * 1000,
        "no section": b"a = b\n[x\n= c\n[]\n===\n",
        "brackets": b"[" * 100_000,
        "twice": b"[a]\nx = y\n[a]\nx = y\nx = z\n",
        "bad value": b"[console_scripts]\na = 1 2 3 :: [\n",
    }
    if name in texts:
        points.write_bytes(texts[name])
    elif name == "pipe":
        os.mkfifo(points)
    elif name == "folder":
        points.mkdir()
    elif name == "loop":
        points.symlink_to(points)
    elif name == "device":
        points.symlink_to("/dev/zero")
    elif name == "huge":
        with points.open("wb") as file:
            file.truncate(2**34)
    elif name == "pipe for metadata":
        (about / "METADATA").unlink()
        os.mkfifo(about / "METADATA")
    elif name == "no metadata":
        (about / "METADATA").unlink()
    elif name == "metadata in latin-1":
        (about / "METADATA").write_bytes("Name: stranger\nAuthor: Zo\xeb\n".encode("latin-1"))
    elif name == "a file":
        (site / "other-1.0.dist-info").write_text("no folder")
        (site / "old-1.0.egg-info").write_bytes(b"\xff\xfe")
    elif name == "broken archive":
        (site / "broken.egg").write_bytes(b"PK\x03\x04 nonsense")
        (site / "x-1.0.egg").write_bytes(b"")


STRANGERS = [
    "no equals", "latin-1", "utf-16", "nulls", "no section", "brackets", "twice", "bad value", "pipe", "folder", "loop",
    "device", "huge", "pipe for metadata", "no metadata", "metadata in latin-1", "a file", "broken archive",
]  # fmt: skip


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_with_broken_metadata_stops_nobody_and_is_not_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = other_claimants()
    stranger(tmp_path, name)
    install(tmp_path, "kce-fine")
    monkeypatch.syspath_prepend(str(tmp_path))
    for archive in ("broken.egg", "x-1.0.egg"):
        monkeypatch.syspath_prepend(str(tmp_path / archive))
    rows = [row for row in Registry.load("/").list_components() if row["source"] != "built-in"]
    assert [(row["name"], row["status"]) for row in rows] == [("kce-fine", "ok")]
    assert other_claimants() == before


@pytest.mark.parametrize("name", ["no equals", "latin-1", "pipe"])
def test_the_commands_work_beside_a_stranger_with_broken_metadata(tmp_path: Path, kce: Kce, name: str) -> None:
    stranger(tmp_path / "site", name)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = kce("list", "--plugins", "--json", env={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["no equals", "latin-1", "pipe", "device", "no metadata", "bad value"])
def test_the_standard_library_skips_what_a_stranger_breaks(tmp_path: Path, name: str) -> None:
    stranger(tmp_path, name)
    install(tmp_path, "kce-fine")
    code = (
        "from importlib.metadata import entry_points\n"
        "from kce.system.package_files import tolerate_broken_packages\n"
        "tolerate_broken_packages(); tolerate_broken_packages()\n"
        "print([entry.name for entry in entry_points(group='kce')], len(entry_points(group='console_scripts')) > 0)"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("['kce-fine'] True\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no equals", "latin-1", "pipe"])
def test_libraries_that_read_the_entry_points_of_all_packages_load(tmp_path: Path, kce: Kce, name: str) -> None:
    stranger(tmp_path / "site", name)
    done = kce("check", "backbone", "tiny", "--json", env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.returncode == 0, done.stderr
    assert {row["result"] for row in json.loads(done.stdout)} <= {"passed", "skipped", "known fault"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"mine", "the line 'mine', which is not NAME = MODULE"),
        (b"mine = 1 2", "not NAME = MODULE"),
        (b"= kce_mine", "not NAME = MODULE"),
        ("caf\xe9 = kce_mine".encode("latin-1"), "not NAME = MODULE"),
        (b"mine = nothing.of.this", "No module named 'nothing'"),
        (b"mine = kce_mine:nothing", "AttributeError"),
    ],
)
def test_a_package_that_claims_our_group_wrongly_is_broken_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, said: str
) -> None:
    install(tmp_path, "kce-mine", b"[kce]\n" + line + b"\ngood = kce_mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = [row for row in Registry.load("/").list_components() if row["source"] == "kce-mine 1.0"]
    assert [said in row["error"] for row in rows if row["status"] == "broken"] == [True]
    assert [row["plugin"] for row in rows if row["status"] == "ok"] == ["good"]


def test_entry_points_are_read_as_the_standard_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeff# comment\n; another\n[other]\nx = y\n\n[ kce ]\n one = a.b.c\ntwo=a:b.c\nthree = a : b [extra, more]"
    install(tmp_path, "kce-mine", text.encode())
    monkeypatch.syspath_prepend(str(tmp_path))
    (package,) = [package for package in installed_packages() if package.name == "kce-mine"]
    assert list(entry_points(package.distribution, "kce")) == [
        ("one", "a.b.c", ""), ("two", "a", "b.c"), ("three", "a", "b"),
    ]  # fmt: skip


def test_an_archive_on_the_path_may_hold_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "kce-mine")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for file in (tmp_path / "site").rglob("*"):
            archive.write(file, file.relative_to(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path / "mine.zip"))
    rows = [row for row in Registry.load("/").list_components() if row["source"] != "built-in"]
    assert [(row["name"], row["source"], row["status"]) for row in rows] == [("kce-mine", "kce-mine 1.0", "ok")]


def listed() -> tuple[list[tuple[str, str]], list[str]]:
    """(name, status) of what is listed with these in front of the path; and the notes."""
    registry = Registry.load("/")
    rows = [row for row in registry.list_components() if row["source"] != "built-in"]
    return [(row["name"], row["status"]) for row in rows], registry.plugins.notes


def test_what_pip_left_of_an_old_version_is_no_second_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "kce-mine")
    leftover = install(tmp_path, "kce-mine", folder="~ce_mine-0.9.dist-info")
    monkeypatch.syspath_prepend(str(tmp_path))
    rows, notes = listed()
    assert rows == [("kce-mine", "ok")]
    assert notes == [f"{leftover} is what an interrupted installation left, and is ignored: remove it"]


def test_a_folder_that_is_on_the_path_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "kce-mine")
    (tmp_path / "link").symlink_to(tmp_path / "site")
    for path in (tmp_path / "site", tmp_path / "site", tmp_path / "link", tmp_path / "site" / ".." / "site"):
        monkeypatch.syspath_prepend(str(path))
    assert listed() == ([("kce-mine", "ok")], [])


def test_a_package_that_is_installed_twice_is_one_and_both_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kce: Kce
) -> None:
    second, first = install(tmp_path / "b", "kce-mine"), install(tmp_path / "a", "kce-mine")
    for path in (second.parent, first.parent):
        monkeypatch.syspath_prepend(str(path))
    note = f"kce-mine is installed twice: {first} is used, and {second} is ignored"
    assert listed() == ([("kce-mine", "ok")], [note])
    done = kce("list", "--json", env={"PYTHONPATH": os.pathsep.join(map(str, (first.parent, second.parent)))})
    assert done.stderr == f"note: {note}\n"


def test_a_finder_that_fails_hides_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, _: object) -> None:
            raise RuntimeError

    install(tmp_path, "kce-mine")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert "kce-mine" in Registry.load("/").names("clusterer")
