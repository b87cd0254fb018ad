"""Columns of texts: they behave as numpy's arrays of the same texts, and take less memory."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.faces.columns import CodedColumn, CodedTexts, PackedTexts, TextColumn
from kce.faces.folder import read_faces
from kce.faces.tables import FaceRow

TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5), max_size=30)


def columns(*batches: list[str]) -> list[TextColumn]:
    packed, coded = PackedTexts(), CodedTexts()
    for texts in batches:
        packed.extend(texts)
        coded.extend(texts)
    rows = np.arange(sum(map(len, batches)), dtype=np.int32)
    return [TextColumn(packed, rows), CodedColumn(coded, rows)]


@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_columns_are_arrays_to_those_who_read_them(first: list[str], second: list[str], random: object) -> None:
    texts = first + second
    array = np.array(texts, np.str_)
    order = list(range(len(texts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    indices, mask = np.array(order[: len(texts) // 2], np.int64), np.array([i % 3 == 0 for i in order], bool)
    for column in columns(first, second):
        assert len(column) == len(texts)
        assert column.tolist() == [text for batch in column.batches() for text in batch] == texts
        assert np.asarray(column).tolist() == column[:].tolist() == array.tolist()
        for rows in (indices, mask, slice(1, 4)):
            assert column[rows].tolist() == array[rows].tolist()
        for number, text in enumerate(texts):
            assert column[number] == column[np.int64(number)] == text
            assert (column == text).tolist() == (array == text).tolist()
            assert (column != text).tolist() == (array != text).tolist()
        assert np.isin(column, first).tolist() == np.isin(array, np.array(first, np.str_)).tolist()


@given(TEXTS, st.data())
def test_what_codes_answer_is_what_the_texts_say(texts: list[str], data: st.DataObject) -> None:
    column = columns(texts)[1]
    assert isinstance(column, CodedColumn)
    names, counts = np.unique(np.array(texts, object), return_counts=True)
    assert column.counts() == dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert list(column.counts()) == sorted(column.counts())
    wanted = data.draw(st.lists(st.sampled_from([*texts, "absent"])))
    assert column.isin(wanted).tolist() == [text in wanted for text in texts]
    equal = column.codes[:, None] == column.codes[None, :]
    assert equal.tolist() == [[one == other for other in texts] for one in texts]


def test_a_text_outside_raises_as_an_array_does() -> None:
    for column in columns(["a", "b"]):
        assert column[-1] == "b"
        with pytest.raises(IndexError):
            column[2]


def folder(root: Path, count: int) -> Path:
    with (root / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(FaceRow._fields)
        for i in range(count):
            dataset, method = f"D{i % 4}", f"M{i % 5}"
            category, key = f"{dataset}_{method}", f"{dataset}/videos/{method}/id{i % 97:03d}_{i:07d}.mp4#{i % 30}"
            name = f"{category}/id{i % 97:03d}_{i:07d}.mp4_{i % 30}~{i:016x}.png"
            group = f"{dataset}:{i % 997}" if i % 9 else ""
            row = (key, category, dataset, method, "0", group, "", "", "", "", "", "/v.mp4", name, f"{i:016x}", "1")
            table.writerow(row)
    return root


def test_taking_twice_is_taking_once_and_copies_no_text(tmp_path: Path) -> None:
    faces = read_faces(folder(tmp_path, 500))
    rng = np.random.default_rng(0)
    first, second = rng.permutation(500)[:300], rng.integers(0, 300, 100)
    twice, once = faces.take(first).take(second), faces.take(first[second])
    assert twice.content_hash() == once.content_hash() != faces.content_hash()
    for name in ("key", "category", "dataset", "method", "group", "file", "hash"):
        whole = getattr(faces, name).tolist()
        expected = [whole[row] for row in first[second].tolist()]
        assert getattr(twice, name).tolist() == getattr(once, name).tolist() == expected
    assert twice.nbytes < faces.nbytes
    assert twice.table is faces.table
    one = faces.first_of_categories()
    assert sorted(one.category.tolist()) == list(faces.category.counts())


_MEASURE = """
import json, sys
from kce.faces.folder import read_faces
def resident(): return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = resident()
faces = read_faces(sys.argv[1])
known = faces.take(faces.category.isin(["D0_M0", "D1_M1"]))
known.category.counts(), known.content_hash()
print(json.dumps({"mib": (resident() - before) / 1024, "rows": len(faces)}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_table_takes_little_memory(tmp_path: Path) -> None:
    """40,000 rows: 8 MiB are held, and arrays of texts would be 41."""
    folder(tmp_path, 40_000)
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert measured["rows"] == 40_000
    assert measured["mib"] < 24
