"""Feature files from elsewhere: whatever they claim, they are read, or refused with a reason, in little memory."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kce.errors import BadData
from kce.features.table import open_table
from tests.features.test_store import put, rows

ROWS = 6
TEXT = h5py.string_dtype()
Write = Callable[[h5py.Group, str], Any]


def plain(group: h5py.Group, column: str) -> None:
    """A column as it should be."""
    if column == "x":
        group[column] = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
    else:
        texts = [f"{column}{row % 3 if column == 'label' else row}" for row in range(ROWS)]
        group[column] = np.array(texts, np.bytes_)


def raw(kind: Any, shape: tuple[int, ...]) -> Write:
    """A column of a type that only HDF5 has."""
    return lambda group, column: h5py.h5d.create(group.id, column.encode(), kind, h5py.h5s.create_simple(shape))


def claiming(shape: tuple[int, ...], kind: Any, chunks: Any = None) -> Write:
    """A column that claims rows, and stores none."""
    return lambda group, column: group.create_dataset(column, shape, kind, chunks=chunks)


def of(values: Any, kind: Any = None) -> Write:
    return lambda group, column: group.create_dataset(column, data=np.asarray(values), dtype=kind)


def cyclic(group: h5py.Group, column: str) -> None:
    group[column], group["other"] = h5py.SoftLink("/t/other"), h5py.SoftLink(f"/t/{column}")


def virtual(group: h5py.Group, column: str) -> None:
    layout = h5py.VirtualLayout((ROWS, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (ROWS, 4))
    group.create_virtual_dataset(column, layout)


def unknown_filter(group: h5py.Group, column: str) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((ROWS, 4))
    made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((ROWS, 4))
    data = h5py.h5d.create(group.id, column.encode(), h5py.h5t.IEEE_F32LE, space, made)
    data.write_direct_chunk((0, 0), b"\0" * 64, 0)


def huge_chunk(group: h5py.Group, column: str) -> None:
    group.create_dataset(column, (ROWS, 4), "f4", chunks=(2**25, 4), maxshape=(None, 4))


ANY_LENGTH = of([b"text%d" % (row % 3) for row in range(ROWS)], TEXT)
BILLION = 10**9
REFUSED: dict[str, dict[str, Write]] = {
    "claims rows in chunks": {
        **dict.fromkeys(("key", "label", "group"), claiming((BILLION,), TEXT, (1024,))),
        "x": claiming((BILLION, 4), "f4", (1024, 4)),
    },
    "claims rows in a row": {
        **dict.fromkeys(("key", "label", "group"), claiming((BILLION,), TEXT)),
        "x": claiming((BILLION, 4), "f4"),
    },
    "claims wide texts": {
        **dict.fromkeys(("key", "label", "group"), claiming((10**7,), "S16000", (1000,))),
        "x": claiming((10**7, 4), "f4", (1024, 4)),
    },
    "texts never written": {"label": claiming((ROWS,), TEXT)},
    "x never written": {"x": claiming((ROWS, 4), "f4", (2, 4))},
    "wide x": {"x": claiming((ROWS, 2**40), "f4", (1, 1024))},
    "huge chunk": {"x": huge_chunk},
    "x in times": {"x": raw(h5py.h5t.UNIX_D32LE, (ROWS, 4))},
    "labels in times": {"label": raw(h5py.h5t.UNIX_D64LE, (ROWS,))},
    "x opaque": {"x": raw(h5py.h5t.create(h5py.h5t.OPAQUE, 4), (ROWS, 4))},
    "x of references": {"x": claiming((ROWS, 4), h5py.ref_dtype)},
    "labels of references": {"label": claiming((ROWS,), h5py.ref_dtype)},
    "x compound": {"x": claiming((ROWS, 4), np.dtype([("a", "f4"), ("b", "f4")]))},
    "x of arrays": {"x": claiming((ROWS, 4), np.dtype(("f4", (2,))))},
    "x of any length": {"x": claiming((ROWS,), h5py.vlen_dtype("f4"))},
    "labels are bytes of any length": {"label": claiming((ROWS,), h5py.vlen_dtype("u1"))},
    "labels are an enumeration": {"label": claiming((ROWS,), h5py.enum_dtype({"A": 0, "B": 1}, basetype="i4"))},
    "labels are numbers": {"label": of(range(ROWS))},
    "labels are not UTF-8": {"label": of([b"A_\xe9"] * ROWS, TEXT)},
    "a label of ten million letters": {"label": of([b"A" * 10**7] + [b"B"] * (ROWS - 1), TEXT)},
    "x complex": {"x": of(np.ones((ROWS, 4), np.complex64))},
    "x of truths": {"x": of(np.ones((ROWS, 4), bool))},
    "x infinite": {"x": of(np.full((ROWS, 4), np.inf))},
    "x beyond float32": {"x": of(np.full((ROWS, 4), 1e300))},
    "x flat": {"x": of(np.ones(ROWS))},
    "x deep": {"x": of(np.ones((1,) * 32))},
    "x without columns": {"x": of(np.ones((ROWS, 0)))},
    "x empty": {"x": lambda group, column: group.create_dataset(column, data=h5py.Empty("f4"))},
    "x is a group": {"x": lambda group, column: group.create_group(column)},
    "x is a type": {"x": lambda group, column: group.__setitem__(column, np.dtype("f4"))},
    "x is missing": {"x": lambda group, column: None},
    "links in a circle": {"x": cyclic},
    "a link out": {"x": lambda group, column: group.__setitem__(column, h5py.ExternalLink("/etc/passwd", "/x"))},
    "another file's bytes": {
        "x": lambda group, column: group.create_dataset(column, (ROWS, 4), "f4", external=[("/etc/passwd", 0, 96)])
    },
    "another file's rows": {"x": virtual},
    "a filter nobody has": {"x": unknown_filter},
    "keys twice": {"key": of([b"a"] * ROWS, TEXT)},
}
READ: dict[str, dict[str, Write]] = {
    "as it should be": {},
    "x of float16": {"x": of(np.ones((ROWS, 4), "f2"))},
    "x of big-endian float64": {"x": of(np.ones((ROWS, 4), ">f8"))},
    "x of bytes": {"x": of(np.ones((ROWS, 4), "u1"))},
    "labels of any length": {"label": ANY_LENGTH},
    "labels compressed": {
        "label": lambda group, column: group.create_dataset(
            column, data=np.full(ROWS, b"a", "S900"), compression="gzip"
        )
    },
}


def written(path: Path, changes: dict[str, Write]) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("t")
        for column in ("key", "label", "group", "x"):
            changes.get(column, plain)(group, column)
    return path


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_right_is_refused_with_a_hint(tmp_path: Path, what: str) -> None:
    path = written(tmp_path / "f.h5", REFUSED[what])
    with pytest.raises(BadData) as error:
        open_table(path, "t").read_all()
    assert error.value.hint
    assert "f.h5" in error.value.message


@pytest.mark.parametrize("what", READ)
def test_what_is_only_unusual_is_read(tmp_path: Path, what: str) -> None:
    assert len(open_table(written(tmp_path / "f.h5", READ[what]), "t").read_all()) == ROWS


ATTRIBUTES: dict[str, Any] = {
    "a number": 3,
    "bytes that are no text": np.bytes_(b"\xff\xfe"),
    "empty": h5py.Empty("f4"),
    "nested without end": "[" * 60_000,
    "a number of 5,000 digits": "9" * 5000,
    "a list": "[1]",
}


@pytest.mark.parametrize("what", ATTRIBUTES)
@pytest.mark.parametrize("name", ["mark", "provenance"])
def test_attributes_of_any_kind_only_say_nothing(tmp_path: Path, what: str, name: str) -> None:
    path = written(tmp_path / "f.h5", {})
    with h5py.File(path, "a") as file:
        file["t"].attrs[name] = ATTRIBUTES[what]
    assert open_table(path, "t").provenance == {}


def test_an_attribute_that_numpy_cannot_hold_says_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "f.h5", {})
    with h5py.File(path, "a") as file:
        h5py.h5a.create(file["t"].id, b"mark", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))
    assert open_table(path, "t").hash == ""


def test_one_long_label_does_not_make_every_row_long(tmp_path: Path) -> None:
    count, long = 30_000, "A_" + "l" * 3990
    label = np.array(["B_y", long], object)[np.arange(count) % 2]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        group = file.create_group("t")
        for column in ("key", "group"):
            group[column] = np.char.add("k", np.arange(count).astype(np.str_)).astype("S8")
        group.create_dataset("label", data=label.astype("S4000"), chunks=(1000,), compression="gzip")
        group["x"] = np.zeros((count, 2), np.float32)
    features = open_table(tmp_path / "f.h5", "t").read_all()
    assert features.label.nbytes < 10 * count  # as an array of texts 480 MB
    assert len({id(text) for text in features.label.tolist()}) == 2
    assert (features.label == long).sum() == count // 2
    assert features.take(np.arange(5)).categories == [long, "B_y"]


def test_a_file_with_many_tables_names_some(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for number in range(100):
            file.create_group(f"g{number:03}")
    with pytest.raises(BadData, match=r"/g000, .* and 80 more"):
        open_table(tmp_path / "f.h5", "t")


def mutant(data: bytes, rng: random.Random) -> bytes:
    """The file with one to four of its parts changed, most of them in what HDF5 says of itself."""
    changed = bytearray(data)
    said = [place for place, byte in enumerate(data) if byte]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.choice(said) if rng.random() < 0.8 else rng.randrange(len(data))
        length = rng.choice((1, 2, 4, 8))
        what = rng.choice((rng.randbytes(length), b"\xff" * length, b"\0" * length, data[-at : length - at]))
        changed[at : at + len(what)] = what
    return bytes(changed[: len(data)])


def read_in_a_child(path: Path, seconds: int) -> int:
    """The status of a process that reads the file: 0 if it was read or refused, the signal if it hung or crashed."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        status = 1
        try:
            open_table(path, "t").read_all()
            status = 0
        except BadData as error:
            status = 0 if error.hint else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sources(folder: Path) -> list[bytes]:
    """Files of KCE's own, and of others, whose texts have any length."""
    put(folder / "own.h5", "t", rows(40))
    return [(folder / "own.h5").read_bytes(), written(folder / "other.h5", {"label": ANY_LENGTH}).read_bytes()]


def check_mutants(folder: Path, count: int) -> None:
    files = sources(folder)
    rng = random.Random(0)
    for number in range(count):
        path = folder / f"mutant{number}.h5"
        path.write_bytes(mutant(files[number % 2], rng))
        status = read_in_a_child(path, 120)  # a process may be slow to start
        assert status == 0, (number, status)
        path.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_changed_bytes_are_read_or_refused(tmp_path: Path) -> None:
    check_mutants(tmp_path, 12)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_changed_bytes_of_300_files_are_read_or_refused(tmp_path: Path) -> None:
    check_mutants(tmp_path, 300)


def test_texts_that_hdf5_never_finishes_reading_are_damage(tmp_path: Path) -> None:
    path = written(tmp_path / "f.h5", {"label": ANY_LENGTH})
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    # The free space of the heap that holds the texts gets the size 0, over which HDF5 never steps.
    free = heap + 16
    while data[free : free + 2] != b"\0\0":
        size = int.from_bytes(data[free + 8 : free + 16], "little")
        free += 16 + (size + 7) // 8 * 8
    data[free + 8 : free + 16] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(BadData, match="does not end in 5 seconds"):
        open_table(path, "t").read_all()
