"""Plugins of strangers end, hang and disturb nothing but themselves, and are broken by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kce.errors import BrokenPlugin, KCEError, MachineFault, UnknownName
from kce.registry import inspection, report_cache
from kce.registry.registry import Registry
from tests.support.hostile_plugins import ENDS, HANGS, RAISES, TOUCHES, good

Kce = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def plant(folder: Path, **plugins: str) -> Registry:
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "registry.toml").touch()
    for name, text in plugins.items():
        (folder / "plugins" / f"{name}.py").write_text(text, encoding="utf-8")
    return Registry.load(folder)


def rows_of(registry: Registry) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in registry.list_components() if row["source"] != "built-in"}


def both(names: dict[str, str]) -> dict[str, str]:
    """The plugins, each with a clusterer of its own name."""
    return {name: f"{text}\n{good(name.replace('_', '-'))}" for name, text in names.items()}


def test_what_ends_or_hangs_is_broken_by_name_and_the_rest_is_listed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LIMIT", 1.5)
    chosen = {"exits_0": ENDS["exits_0"], "segfaults": ENDS["segfaults"], "kills_its_parent": ENDS["kills_its_parent"]}
    plugins = both({name: text for name, (text, _) in chosen.items()} | {"loops": HANGS["loops"]})
    rows = rows_of(plant(tmp_path, a=good("first"), m=good("middle"), z=good("last"), **plugins))
    assert {name: row["error"] for name, row in rows.items() if row["status"] == "ok"}.keys() == {
        "first", "middle", "last",
    }  # fmt: skip
    for name, (_, said) in chosen.items():
        assert said in rows[name]["error"]
        assert f"plugins/{name}.py" in rows[name]["error"]
    assert "takes longer than 1.5 seconds" in rows["loops"]["error"]


def test_a_process_that_a_plugin_ends_is_not_waited_for(tmp_path: Path, cache: Path) -> None:
    """What it started lives on, and keeps the pipe open."""
    began = time.monotonic()
    rows = rows_of(plant(tmp_path, kills=ENDS["kills_its_parent"][0], z=good("last")))
    assert "SIGKILL" in rows["kills"]["error"]
    assert rows["last"]["status"] == "ok"
    assert time.monotonic() - began < inspection.LIMIT


@pytest.mark.parametrize("names", [["exits_0", "aborts", "closes_all_files", "kills_its_group"]])
def test_what_crashes_is_refused_to_whoever_asks(tmp_path: Path, cache: Path, names: list[str]) -> None:
    registry = plant(tmp_path, **both({name: ENDS[name][0] for name in names}))
    for name in names:
        with pytest.raises(BrokenPlugin, match=ENDS[name][1]):
            registry.plugins.offers(name)
    with pytest.raises(UnknownName, match=r"It may be in a plugin that is broken: .*plugins/aborts.py"):
        registry.build("clusterer", "aborts")


def test_what_a_plugin_does_to_its_process_reaches_neither_us_nor_the_next(tmp_path: Path, cache: Path) -> None:
    chosen = ["prints", "closes_files", "replaces_dumps", "no_import", "forks", "low_recursion", "at_exit", "thread"]
    before = json.dumps, __import__, sys.stdout, sys.getrecursionlimit(), Path.cwd()
    rows = rows_of(plant(tmp_path, zzz=good("last"), **both({name: TOUCHES[name] for name in chosen})))
    assert rows["last"]["status"] == "ok"
    assert len(rows) == len(chosen) + 1
    assert (json.dumps, __import__, sys.stdout, sys.getrecursionlimit(), Path.cwd()) == before


@pytest.mark.parametrize(
    "name", ["keyboard_interrupt", "base_exception", "unprintable_error", "nested_brackets", "syntax"]
)
def test_what_raises_is_broken_with_its_error(tmp_path: Path, cache: Path, name: str) -> None:
    text, said = RAISES[name]
    rows = rows_of(plant(tmp_path, **{name: text}, z=good("last")))
    assert said in rows[name]["error"]
    assert len(rows[name]["error"]) < 1000
    assert rows["last"]["status"] == "ok"


def test_a_listing_and_a_description_import_nothing_of_others_here(tmp_path: Path, cache: Path) -> None:
    registry = plant(tmp_path, mine=f"import sys\nsys.modules['json'].touched = 1\n{good('mine')}")
    assert rows_of(registry)["mine"]["status"] == "ok"
    entry, component = registry.describe("clusterer", "mine")
    assert (entry.plugin, component.doc) == ("mine", "Cuts at the mean of one axis.")
    assert [(p.name, p.type, p.default) for p in component.parameters] == [("axis", "int", 0)]
    assert not hasattr(json, "touched")
    assert registry.build("clusterer", "mine:axis=2").axis == 2
    assert hasattr(json, "touched")
    del json.touched  # type: ignore[attr-defined]


def test_what_a_plugin_replaces_is_restored_when_it_is_used(tmp_path: Path, cache: Path) -> None:
    chosen = ["replaces_dumps", "replaces_print", "no_stdout", "signals", "moves", "low_recursion"]
    registry = plant(tmp_path, **both({name: TOUCHES[name].replace("; os.environ.clear()", "") for name in chosen}))
    before = json.dumps, json.JSONEncoder.encode, print, open, sys.stdout, sys.getrecursionlimit(), Path.cwd()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for name in chosen:
        assert registry.build("clusterer", name.replace("_", "-")).axis == 0
        after = json.dumps, json.JSONEncoder.encode, print, open, sys.stdout, sys.getrecursionlimit(), Path.cwd()
        assert after == before
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize("statement", ["1 / 0", "raise SystemExit(3)", "raise AssertionError", "exit()"])
def test_a_factory_of_a_third_party_that_raises_is_an_error_that_names_it(
    tmp_path: Path, cache: Path, statement: str
) -> None:
    registry = plant(tmp_path, mine=good("mine").replace("self.axis = axis", statement))
    with pytest.raises(KCEError, match=r"clusterer 'mine:axis=1' \(plugin mine\) cannot be built") as raised:
        registry.build("clusterer", "mine:axis=1")
    assert raised.value.hint


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the processes that look at plugins."""
    started: list[int] = []
    real = inspection._Inspector.__init__

    def count(self: Any, plugins: Any, *limits: float) -> None:
        started.append(len(list(plugins)))
        real(self, plugins, *limits)

    monkeypatch.setattr(inspection._Inspector, "__init__", count)
    return started


def test_what_did_not_change_is_looked_at_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = counted(monkeypatch)
    for _ in range(2):
        rows = rows_of(plant(tmp_path, mine=good("mine"), dies=ENDS["exits_3"][0]))
        assert rows["mine"]["status"] == "ok"
        assert "exit status 3" in rows["dies"]["error"]
    assert started == [2]
    assert "yours" in rows_of(plant(tmp_path, mine=good("yours")))
    assert "repaired" in rows_of(plant(tmp_path, dies=good("repaired")))
    assert started == [2, 1, 1]


def test_a_helper_that_a_plugin_imports_is_watched_too(tmp_path: Path, cache: Path) -> None:
    package = tmp_path / "plugins" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .parts import kce_clusterers")
    (package / "parts.py").write_text(good("one"))
    assert "one" in rows_of(plant(tmp_path))
    (package / "parts.py").write_text(good("two"))
    assert rows_of(plant(tmp_path)).keys() == {"two"}


def test_what_may_pass_is_not_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = "import os\nif not os.path.exists(r'%s'):\n    %s\n"
    first = plant(
        tmp_path,
        raises=wait % (tmp_path / "there", "raise ImportError('not yet')") + good("raises"),
        killed=wait % (tmp_path / "there", "os.kill(os.getpid(), 9)") + good("killed"),
    )
    assert {row["status"] for row in rows_of(first).values()} == {"broken"}
    (tmp_path / "there").touch()
    assert {row["status"] for row in rows_of(Registry.load(tmp_path)).values()} == {"ok"}


def test_what_hung_is_tried_again_when_it_is_asked_for_and_after_an_hour(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LIMIT", 0.7)
    registry = plant(
        tmp_path,
        slow=f"import time, os\nif not os.path.exists(r'{tmp_path / 'there'}'): time.sleep(99)\n{good('slow')}",
    )
    assert "takes longer" in rows_of(registry)["slow"]["error"]
    (tmp_path / "there").touch()
    assert "takes longer" in rows_of(Registry.load(tmp_path))["slow"]["error"]
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr(report_cache.time, "time", lambda: now() + 3601)
        assert rows_of(Registry.load(tmp_path))["slow"]["status"] == "ok"
    (tmp_path / "plugins" / "slow.py").write_text("import time\ntime.sleep(1.5)\n" + good("slow"))
    assert "takes longer" in rows_of(Registry.load(tmp_path))["slow"]["error"]
    assert Registry.load(tmp_path).plugins.offers("slow")


def test_what_is_slow_and_at_work_is_waited_for_where_it_is_asked_for(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LONG_LIMIT", 2.0)
    working = (
        "import time\nend = time.time() + 5\nwhile time.time() < end:\n    sum(range(300_000)); time.sleep(0.05)\n"
    )
    plugins = {
        "works": f"{working}{good('works')}",
        "sleeps": "import time\ntime.sleep(99)",
        "spins": "while True: pass",
    }
    registry = plant(tmp_path, **plugins)
    assert registry.plugins.offers("works")
    for name in ("sleeps", "spins"):
        with pytest.raises(BrokenPlugin, match="takes longer than 2 seconds"):
            registry.plugins.offers(name)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[1]", b"\xff", b"[" * 100_000, b'{"key": 3}'], ids=lambda text: repr(text[:9])
)
def test_a_damaged_cache_is_no_cache(tmp_path: Path, cache: Path, content: bytes) -> None:
    assert "mine" in rows_of(plant(tmp_path, mine=good("mine")))
    (kept,) = cache.rglob("*.json")
    kept.write_bytes(content)
    assert "mine" in rows_of(plant(tmp_path))
    assert b'"report"' in kept.read_bytes()


@pytest.mark.parametrize("kind", ["file", "pipe", "folder", "relative"])
def test_without_a_place_for_a_cache_all_works(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    registry = plant(tmp_path, mine=good("mine"))
    if kind == "file":
        (cache / "kce").touch()
    elif kind == "relative":
        monkeypatch.setenv("XDG_CACHE_HOME", "here")
        monkeypatch.setenv("HOME", "nowhere")
    else:
        rows_of(registry)
        (kept,) = cache.rglob("*.json")
        kept.unlink()
        os.mkfifo(kept) if kind == "pipe" else kept.mkdir()
    for _ in range(2):
        assert rows_of(Registry.load(tmp_path))["mine"]["status"] == "ok"


def test_a_script_without_a_main_guard_may_list_plugins(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, mine=good("mine"))
    script = tmp_path / "script.py"
    script.write_text("from kce import Registry\nprint('mine' in Registry.load().names('clusterer'))\n")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def odd_files(folder: Path) -> Iterator[str]:
    """Things in a folder of plugins that are no plugins, whatever their names say."""
    os.mkfifo(folder / "pipe.py")
    yield "pipe"
    (folder / "directory.py").mkdir()
    yield "directory"
    (folder / "lost.py").symlink_to(folder / "nowhere")
    yield "lost"
    (folder / "zero.py").symlink_to("/dev/zero")
    yield "zero"
    (folder / "round.py").symlink_to(folder / "round.py")
    yield "round"
    (folder / "package").mkdir()
    os.mkfifo(folder / "package" / "__init__.py")
    Path(os.fsdecode(os.fsencode(folder) + b"/latin\xe9.py")).write_text(good("latin"))
    yield "latin\\udce9"


def test_only_regular_files_are_plugins(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(good("linked"))
    registry = plant(tmp_path, mine=good("mine"))
    names = set(odd_files(tmp_path / "plugins"))
    (tmp_path / "plugins" / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    rows = rows_of(Registry.load(tmp_path))
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {"mine", "linked"}
    assert {name for name, row in rows.items() if row["status"] == "broken"} == names
    assert "not a regular file" in rows["pipe"]["error"]
    assert registry


def test_a_dataset_of_a_third_party_that_raises_while_it_is_read_is_named(
    tmp_path: Path, cache: Path, kce: Kce
) -> None:
    source = good("mine").replace("kce_clusterers", "kce_datasets").replace("axis: int = 0", "root")
    plant(tmp_path, mine=source.replace("self.axis = axis", "pass\n\n    def __iter__(self):\n        1 / 0"))
    (tmp_path / "data").mkdir()
    done = kce("scan", "mine", "--root", "data")
    assert done.returncode == 2, done.stderr
    assert f"plugin 'mine' ({tmp_path / 'plugins' / 'mine.py'}) fails with ZeroDivisionError" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_by_kind_that_leads_back_is_read_once(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, mine=good("mine"))
    (tmp_path / "plugins" / "clusterers").mkdir()
    (tmp_path / "plugins" / "clusterers" / "yours.py").write_text(good("yours"))
    (tmp_path / "plugins" / "clusterers" / "datasets").symlink_to("..")
    rows = rows_of(Registry.load(tmp_path))
    assert {name: row["status"] for name, row in rows.items()} == {"mine": "ok", "yours": "ok"}


def test_what_the_process_lacks_is_no_fault_of_a_plugin(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_BOOTSTRAP", "import os\nos.fork = lambda: 1 / 0" + inspection._BOOTSTRAP)
    with pytest.raises(MachineFault, match="the process that looks at plugins ended"):
        plant(tmp_path, mine=good("mine")).names("clusterer")
    monkeypatch.setattr(inspection, "_BOOTSTRAP", "raise SystemExit(3)")
    with pytest.raises(MachineFault, match="cannot be started: it ends with status 3"):
        plant(tmp_path).names("clusterer")
    monkeypatch.undo()
    assert list(cache.rglob("*.json")) == []


def test_the_commands_name_the_guilty(tmp_path: Path, cache: Path, kce: Kce) -> None:
    plant(tmp_path, mine="def broken(:", evil=ENDS["exits_0"][0], odd=TOUCHES["prints"], good=good("fine"))
    listed = kce("list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["fine"]["status"] == "ok"
    assert "SyntaxError: invalid syntax (mine.py, line 1)" in rows["mine"]["error"]
    shown = kce("show", "clusterer", "mine")
    assert shown.returncode == 2
    assert "no clusterer named 'mine'" in shown.stderr
    assert "SyntaxError: invalid syntax (mine.py, line 1)" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_no_plugin_of_seventy_stops_a_command_or_another_plugin(tmp_path: Path, cache: Path, kce: Kce) -> None:
    plant(tmp_path, **both(HANGS))  # waited for once, and here not for long; the commands reuse these reports
    first = "from kce.registry import inspection as i, registry as r; i.LIMIT = 1.0; r.Registry.load().names('engine')"
    subprocess.run([sys.executable, "-c", first], cwd=tmp_path, check=True)
    assert len(list(cache.rglob("*.json"))) == len(HANGS)
    said = {name: text for name, (_, text) in {**ENDS, **RAISES}.items()} | dict.fromkeys(HANGS, "takes longer than")
    sources = HANGS | {name: text for name, (text, _) in {**ENDS, **RAISES}.items()} | TOUCHES
    plain = {name: text for name, text in sources.items() if "hookimpl" not in text}
    plant(tmp_path, aaa=good("first"), zzz=good("last"), **{**sources, **both(plain)})
    (tmp_path / "data" / "A_x").mkdir(parents=True)
    listed = kce("list", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {rows["first"]["status"], rows["last"]["status"]} == {"ok"}
    for name, text in said.items():
        assert rows[name]["status"] == "broken"
        assert text in rows[name]["error"]
    for name in TOUCHES:
        offered = rows.get(name.replace("_", "-"), {"status": "ok" if name in rows else "missing"})
        assert offered["status"] == "ok", name
    scan = ["scan", "folder", "--root", "data"]
    for words in (["list"], scan, ["show", "clusterer", "prints"], ["show", "clusterer", "x"]):
        done = kce(*words)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == (2 if words[-1] in ("data", "x") else 0), done.stderr
