"""The feature store, on real files: what goes in comes out, and no kill, full disk or foreign row changes that."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kce.errors import BadData, KCEError, Refused
from kce.features import store
from kce.features.shards import write_shard
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import has_table, open_table, provenance_hash, split_table_address
from kce.types import Features
from tests.conftest import REPOSITORY

MADE = {"backbone": "tiny:dim=8", "weights": "abc"}


def rows(n: int, dim: int = 8, seed: int = 0) -> Features:
    key = np.array([f"가나다/영상 [{i}].png" for i in range(n)])
    label = np.array([f"셀럽_{'ab'[i % 2]}" for i in range(n)])
    return Features(key, label, np.array([f"v:{i // 5}" for i in range(n)]), _x(n, dim, seed))


def _x(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def put(
    path: Path, table: str, features: Features, made: Mapping[str, str] = MADE, batch: int = 7, end: bool = True
) -> None:
    with write_table(path, table, made) as writer:
        for start in range(writer.done, len(features), batch):
            part = features.take(np.arange(start, min(start + batch, len(features))))
            writer.append(part.key, part.label, part.group, part.x)
        if end:
            writer.publish()


def same(one: Features, other: Features) -> bool:
    return all(
        np.array_equal(getattr(one, column), getattr(other, column)) for column in ("key", "label", "group", "x")
    )


def left_over(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if p.name not in (path.name, f".{path.name}.lock"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 90), dim=st.integers(1, 9), batches=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, n: int, dim: int, batches: list[int]) -> None:
    path = tmp_path_factory.mktemp("store") / "한글 f.h5"
    wanted = rows(n, dim)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_SHARD_ROWS", 16)
        with write_table(path, "/known", MADE) as writer:
            while writer.done < n:
                stop = min(writer.done + batches[writer.done % len(batches)], n)
                part = wanted.take(np.arange(writer.done, stop))
                writer.append(part.key.tolist(), part.label.tolist(), part.group.tolist(), part.x)
            writer.publish()
    table = open_table(f"{path}:/known")
    assert (len(table), table.dim, table.hash, table.provenance) == (n, dim, provenance_hash(MADE), MADE)
    assert same(table.read_all(), wanted)
    parts = list(StoredRows.all_of(table).batches(rows=13))
    assert max(len(part) for part in parts) - min(len(part) for part in parts) <= 1
    assert len(parts) == -(-n // 13)
    assert np.array_equal(np.concatenate([part.x for part in parts]), wanted.x)
    picked = np.random.default_rng(n).integers(n, size=20)
    assert same(StoredRows.all_of(table).take(picked), wanted.take(picked))
    assert len(StoredRows.all_of(table).take(np.zeros(0, np.int64))) == 0
    assert table.label_counts == {label: int((wanted.label == label).sum()) for label in wanted.categories}
    assert left_over(path) == []


def test_the_file_is_what_the_contract_says(tmp_path: Path) -> None:
    put(tmp_path / "f.h5", "known", rows(50))
    with h5py.File(tmp_path / "f.h5") as file:
        group = file["known"]
        assert set(group) == {"key", "label", "group", "x"}
        assert (group["x"].dtype, group["x"].shape, group["x"].compression) == (np.float32, (50, 8), None)
        assert group["key"].asstr()[3] == "가나다/영상 [3].png"
        assert group.attrs["mark"] == provenance_hash(MADE)
        assert json.loads(group.attrs["provenance"]) == MADE


def test_a_mark_depends_on_every_cause_and_not_on_their_order() -> None:
    assert provenance_hash(MADE) == provenance_hash(dict(reversed(MADE.items())))
    assert (
        len({provenance_hash(m) for m in ({}, MADE, {**MADE, "seed": "1"}, {"backbone": "abc"}, {"weights": "abc"})})
        == 5
    )


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("f.h5:/known", ("f.h5", "known")),
        ("a/b c/f.h5:/한글", ("a/b c/f.h5", "한글")),
        ("C:/x/f.h5:/known", ("C:/x/f.h5", "known")),
        ("C:\\x\\f.h5:/known", ("C:\\x\\f.h5", "known")),
        ("C:/f.h5", ("C:/f.h5", "")),
        ("C:\\x\\f.h5", ("C:\\x\\f.h5", "")),
        ("f.h5", ("f.h5", "")),
        ("odd:name/f.h5:/known", ("odd:name/f.h5", "known")),
    ],
)
def test_addresses(address: str, wanted: tuple[str, str]) -> None:
    path, table = split_table_address(address)
    assert (path, table) == (Path(wanted[0]), wanted[1])


def test_tables_live_beside_each_other_and_a_finished_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    put(path, "known", rows(40))
    put(path, "unknown", rows(30, dim=3, seed=1), {"other": "1"})
    assert same(open_table(path, "known").read_all(), rows(40))
    assert same(open_table(path, "unknown").read_all(), rows(30, dim=3, seed=1))
    before = path.stat().st_mtime_ns
    with write_table(path, "known", MADE) as writer:
        assert (writer.finished, writer.done) == (True, 40)
        with pytest.raises(Refused, match="finished"):
            writer.append(["k"], ["l"], ["g"], np.zeros((1, 8)))
        writer.publish()
    assert path.stat().st_mtime_ns == before
    assert has_table(path, "known", MADE)
    assert not has_table(path, "known", {**MADE, "weights": "d"})
    assert not has_table(path, "absent", MADE)
    assert not has_table(tmp_path / "absent.h5", "known", MADE)


@pytest.mark.parametrize("finished", [True, False])
def test_rows_made_another_way_are_refused(tmp_path: Path, finished: bool) -> None:
    path = tmp_path / "f.h5"
    put(path, "known", rows(40), end=finished)
    with pytest.raises(Refused) as caught, write_table(path, "known", {**MADE, "weights": "xyz", "size": "64"}):
        pass
    message = caught.value.message
    assert "weights" in message
    assert "abc" in message
    assert "xyz" in message
    assert "64" in message
    assert "tiny" not in message  # what agrees is not shown
    assert "move" in caught.value.hint
    put(path, "known", rows(40))  # what was there is untouched
    assert same(open_table(path, "known").read_all(), rows(40))


def test_two_writers_at_once(tmp_path: Path) -> None:
    with write_table(tmp_path / "f.h5", "known", MADE):
        second = write_table(tmp_path / "f.h5", "unknown", MADE)
        with pytest.raises(Refused, match="another process"):
            second.__enter__()
    put(tmp_path / "f.h5", "unknown", rows(3))


class Stop(BaseException):
    """An interruption."""


def test_an_interrupted_writer_keeps_everything_it_was_given(tmp_path: Path) -> None:
    path, wanted = tmp_path / "f.h5", rows(30)
    part = wanted.take(np.arange(11))
    with contextlib.suppress(Stop), write_table(path, "known", MADE) as writer:
        writer.append(part.key, part.label, part.group, part.x)
        raise Stop
    assert not path.exists()
    with write_table(path, "known", MADE) as writer:
        assert writer.done == 11
        assert not writer.finished
    put(path, "known", wanted)
    assert same(open_table(path, "known").read_all(), wanted)


def _bad(rows: Features, **changes: object) -> tuple[object, ...]:
    return tuple(changes.get(column, getattr(rows, column)) for column in ("key", "label", "group", "x"))


def test_bad_rows_are_named_and_cost_nothing(tmp_path: Path) -> None:
    path, good, more = tmp_path / "f.h5", rows(4), rows(8).take(np.arange(4, 8))
    holed = more.x.copy()
    holed[2, 1] = np.nan
    endless = more.x.astype(np.float64)
    endless[1, 0] = 1e300  # an infinity, once it is a float32
    keys = more.key.tolist()
    cases = [
        (_bad(more, x=holed), keys[2]),
        (_bad(more, x=endless), keys[1]),
        (_bad(more, x=more.x[:, :5]), keys[0]),
        (_bad(more, x=more.x[0]), keys[0]),
        (_bad(more, x=more.x[:3]), keys[0]),
        (_bad(more, label=more.label[:1]), keys[0]),
        (_bad(more, key=[*keys[:3], keys[1]]), keys[1]),
        (_bad(more, key=[*keys[:3], good.key[2]]), str(good.key[2])),
        (_bad(more, key=[*keys[:3], "a\0"]), "a\\x00"),
        (_bad(more, key=[*keys[:3], "\udcff"]), "udcff"),
        (_bad(more, label=["a", "", "b", "c"]), keys[1]),
        (_bad(more, group=["x" * 5000, "", "", ""]), keys[0]),
    ]
    with write_table(path, "known", MADE) as writer:
        writer.append(good.key, good.label, good.group, good.x)
        for columns, named in cases:
            with pytest.raises(BadData) as caught:
                writer.append(*columns)  # type: ignore[arg-type]
            assert named in caught.value.message
            assert caught.value.hint
            assert writer.done == 4
        writer.append(more.key, more.label, more.group, more.x)
        writer.publish()
    assert same(open_table(path, "known").read_all(), rows(8))


def test_a_table_without_rows_or_with_a_bad_name(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no rows"):
        put(tmp_path / "f.h5", "known", rows(0))
    for name in ("../known", "a/b", "", ".x"):
        with pytest.raises(KCEError, match="not a name"):
            write_table(tmp_path / "f.h5", name, MADE)


# Damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["byte", "cut", "gone", "foreign", "swapped"])
def test_a_damaged_shard_and_what_follows_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(store, "_SHARD_ROWS", 10)
    path, wanted = tmp_path / "f.h5", rows(45)
    put(path, "known", wanted, batch=10, end=False)
    third = tmp_path / "f.h5.parts" / "known" / "00002.h5"
    whole = third.read_bytes()
    if damage == "byte":
        place = whole.index(wanted.x[23].tobytes())
        third.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    elif damage == "cut":
        third.write_bytes(whole[:-100])
    elif damage == "gone":
        third.unlink()
    elif damage == "foreign":
        write_shard(third, {"other": "1"}, 20, wanted.take(np.arange(20, 30)))
    else:
        third.write_bytes(third.with_name("00003.h5").read_bytes())
    with write_table(path, "known", MADE) as writer:
        assert writer.done == 20
    put(path, "known", wanted)
    assert same(open_table(path, "known").read_all(), wanted)


def broken_files(folder: Path) -> dict[str, tuple[str, str]]:
    """name -> (address, what the message must say)."""
    good = folder / "good.h5"
    put(good, "known", rows(2000, dim=64))
    whole = good.read_bytes()
    (folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "text.h5").write_text("key,label\n")
    (folder / "empty.h5").touch()
    with h5py.File(good) as file:
        place = file["known/x"].id.get_chunk_info(0).byte_offset
    (folder / "bit.h5").write_bytes(whole[: place + 50] + bytes([whole[place + 50] ^ 4]) + whole[place + 51 :])
    with h5py.File(folder / "odd.h5", "w") as file:
        text = h5py.string_dtype()
        for name, drop, change in (
            ("nocolumns", "x key", {}),
            ("nan", "", {"x": np.full((3, 2), np.nan, np.float32)}),
            ("flat", "", {"x": np.zeros(3, np.float32)}),
            ("words", "", {"x": np.array([["a"], ["b"], ["c"]], dtype=object)}),
            ("short", "", {"x": np.zeros((2, 2), np.float32)}),
            ("numbers", "", {"label": np.arange(3)}),
            ("twice", "", {"key": np.array(["a", "b", "a"], dtype=object)}),
        ):
            columns = {c: np.array(["a", "b", "c"], dtype=object) for c in ("key", "label", "group")}
            columns |= {"x": np.zeros((3, 2), np.float32)} | change
            for column, values in columns.items():
                if column not in drop.split():
                    kind = text if values.dtype == object else values.dtype
                    file.create_dataset(f"{name}/{column}", data=values, dtype=kind)
        file["elsewhere"] = h5py.ExternalLink("good.h5", "/known")
        for column in ("key", "label", "group"):
            file.create_dataset(f"linked/{column}", data=["a"] * 2000, dtype=text)
            file.create_dataset(f"endless/{column}", (1 << 40,), text, chunks=(1024,))
        file["linked/x"] = h5py.ExternalLink("good.h5", "/known/x")
        file.create_dataset("endless/x", (1 << 40, 1 << 10), np.float32, chunks=(1, 1 << 10))
    return {
        "no file": (f"{folder / 'none.h5'}:/known", "no feature file"),
        "folder": (f"{folder}:/known", "not a file"),
        "text": (f"{folder / 'text.h5'}:/known", "not an HDF5 file"),
        "empty": (f"{folder / 'empty.h5'}:/known", "not an HDF5 file"),
        "cut": (f"{folder / 'cut.h5'}:/known", "cut short"),
        "bit": (f"{folder / 'bit.h5'}:/known", "damaged"),
        "no table": (f"{good}:/unknown", "no table /unknown; it has: /known"),
        "table not named": (str(good), "it has: /known"),
        "external table": (f"{folder / 'odd.h5'}:/elsewhere", "no table"),
        "external column": (f"{folder / 'odd.h5'}:/linked", "lacks the columns: x"),
        "columns": (f"{folder / 'odd.h5'}:/nocolumns", "lacks the columns: key, x"),
        "nan": (f"{folder / 'odd.h5'}:/nan", "features of a are not finite"),
        "flat": (f"{folder / 'odd.h5'}:/flat", "numbers"),
        "words": (f"{folder / 'odd.h5'}:/words", "numbers"),
        "short": (f"{folder / 'odd.h5'}:/short", "different lengths"),
        "labels": (f"{folder / 'odd.h5'}:/numbers", "label is"),
        "twice": (f"{folder / 'odd.h5'}:/twice", "key a occurs twice"),
        "endless": (f"{folder / 'odd.h5'}:/endless", "the file does not hold that many"),
    }


def test_broken_files_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    for what, (address, said) in broken_files(tmp_path).items():
        with pytest.raises(BadData) as caught:
            open_table(address).read_all()
        assert said in caught.value.message, what
        assert caught.value.hint, what


def test_a_table_from_elsewhere_needs_neither_made_nor_float32(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        group = file.create_group("mine")
        for column in ("key", "label", "group"):
            group[column] = np.array([b"a", "나".encode()])
        group["x"] = np.arange(4.0).reshape(2, 2)
    table = open_table(tmp_path / "f.h5", "/mine")
    assert (table.hash, table.provenance) == ("", {})
    loaded = table.read_all()
    assert loaded.key.tolist() == ["a", "나"]
    assert loaded.x.dtype == np.float32
    with pytest.raises(Refused, match="made with different settings"), write_table(tmp_path / "f.h5", "mine", MADE):
        pass


def test_a_writer_does_not_touch_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(b"mine")
    with pytest.raises(BadData), write_table(path, "known", MADE):
        pass
    assert path.read_bytes() == b"mine"


# A full disk ---------------------------------------------------------------------------------------------------------

FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from tests.features.test_store import MADE, put, rows
from kce.errors import KCEError
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    put(Path(sys.argv[1]), "known", rows(1200, 64), batch=500)
except KCEError as error:
    assert "cannot be written" in error.message and error.hint, error
    print("full")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as only POSIX can")
@pytest.mark.parametrize("limit", [0, 3000, 200_000, 320_000])
def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "f.h5"
    done = python(FULL, path, limit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "full\n", "")  # above all: HDF5 does not crash at the end
    assert not path.exists()
    put(path, "known", rows(1200, 64))
    assert same(open_table(path, "known").read_all(), rows(1200, 64))


FULL_COPY = """
import random, resource, sys
from pathlib import Path
from tests.features.test_store import put, rows
from kce.errors import KCEError
to = Path(sys.argv[1])
most = to.stat().st_size
for turn in range(12):
    limit = random.Random(turn).randrange(most * 95 // 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        put(to, "known", rows(5))
    except KCEError as error:
        assert error.message.startswith(f"{to} cannot be written: "), error
        print("full")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as only POSIX can")
def test_a_full_disk_is_not_taken_for_a_damaged_source(tmp_path: Path) -> None:
    to = tmp_path / "f.h5"
    put(to, "unknown", rows(5000, 64, seed=1), batch=3000)
    done = python(FULL_COPY, to)
    assert (done.returncode, done.stdout, done.stderr) == (0, "full\n" * 12, "")
    put(to, "known", rows(5))
    assert same(open_table(to, "unknown").read_all(), rows(5000, 64, seed=1))
    assert same(open_table(to, "known").read_all(), rows(5))
    assert left_over(to) == []


def python(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=100)


# Kills -------------------------------------------------------------------------------------------------------------

WRITE = """
import sys
from pathlib import Path
from kce.features import store
from tests.features.test_store import put, rows
store._SHARD_ROWS = 50
print("go", flush=True)
put(Path(sys.argv[1]), "known", rows(3000, 64), batch=23)
"""

# Ends the process, as a kill does, at the n-th call that changes anything on the disk; each in a child of its own.
EVERY_STEP = """
import os, sys
from pathlib import Path
from kce.features import store
from tests.features.test_store import open_table, put, rows, same
folder, wanted = Path(sys.argv[1]), rows(25)
put(folder / "f.h5", "unknown", rows(5, seed=1))
store._SHARD_ROWS = 10
calls = 0
def deadly(function, at):
    def call(*words, **named):
        global calls
        calls += 1
        if calls == at:
            os._exit(9)
        return function(*words, **named)
    return call
for at in range(1, 1000):
    for again in (True, False):
        child = os.fork()
        if child == 0:
            if again:
                for name in ("fsync", "replace", "unlink", "rmdir", "mkdir"):
                    setattr(os, name, deadly(getattr(os, name), at))
            put(folder / "f.h5", "known", wanted, batch=4)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if again and status == 0:
            print(at)
            sys.exit()
        assert status == (9 if again else 0), (at, status)
    assert same(open_table(folder / "f.h5", "known").read_all(), wanted), at
    assert same(open_table(folder / "f.h5", "unknown").read_all(), rows(5, seed=1)), at
    assert {p.name for p in folder.iterdir()} == {"f.h5", ".f.h5.lock"}, at
    (folder / "f.h5").unlink()
    put(folder / "f.h5", "unknown", rows(5, seed=1))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_kill_at_every_single_step(tmp_path: Path) -> None:
    done = python(EVERY_STEP, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20  # steps at which it was killed


def _kill_later(command: list[str], delay: float) -> bool:
    """Whether it was still at work when it was killed, so long after it began to write."""
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        return process.wait() != 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_at_random_moments_it_ends_with_the_same_rows(tmp_path: Path) -> None:
    moments = random.Random(5)
    path, killed, rounds = tmp_path / "f.h5", 0, 0
    while killed < 8 and rounds < 14:
        delay = moments.uniform(0.005, 0.12)
        killed += _kill_later([sys.executable, "-c", WRITE, str(path)], delay)
        rounds += 1
        if path.exists():  # published: once more from the start
            assert same(open_table(path, "known").read_all(), rows(3000, 64))
            path.unlink()
    assert killed >= 4
    assert python(WRITE, path).returncode == 0
    assert same(open_table(path, "known").read_all(), rows(3000, 64))
    assert left_over(path) == []
