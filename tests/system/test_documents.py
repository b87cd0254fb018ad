"""Documents: what fits comes back as it was, and whatever does not is refused by its key."""

from __future__ import annotations

import doctest
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData, KCEError, UnknownName
from kce.system import documents
from kce.system.documents import (
    Document,
    checked_model,
    document_from_table,
    document_to_table,
    read_document,
    write_document,
)


@dataclass(frozen=True)
class Inner:
    RENAMED: ClassVar[Mapping[str, str]] = {"rate": "lr"}
    lr: float = 0.1
    mode: Literal["fast", "slow"] = "fast"


class Row(msgspec.Struct, frozen=True, rename={"names": "name"}):
    names: tuple[str, ...]
    k: int | str = "all"


@dataclass(frozen=True)
class Sheet(Document):
    NOUN = "a sheet"
    HINT = "write a sheet"
    title: str
    inner: Inner = field(default_factory=Inner)
    rows: tuple[Row, ...] = ()
    by_name: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[tuple[str, ...], ...] = ()
    limit: float | None = None
    pair: tuple[float, str] | None = None
    on: bool = False


@dataclass(frozen=True)
class ByHand(Document):
    NOUN = "a note"
    BY_HAND = True
    text: str = ""


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
SHEETS = st.builds(
    Sheet,
    title=NAMES,
    inner=st.builds(Inner, lr=st.floats(-9, 9), mode=st.sampled_from(["fast", "slow"])),
    rows=st.lists(
        st.builds(Row, names=st.lists(NAMES, max_size=3).map(tuple), k=st.integers(0, 9) | NAMES), max_size=3
    ).map(tuple),
    by_name=st.dictionaries(NAMES, st.integers(-(2**40), 2**40), max_size=3),
    rules=st.lists(st.lists(NAMES, max_size=2).map(tuple), max_size=2).map(tuple),
    limit=st.none() | st.floats(0, 9),
    pair=st.none() | st.tuples(st.floats(0, 9), NAMES),
    on=st.booleans(),
)


@given(SHEETS, st.sampled_from([".toml", ".json"]))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, sheet: Sheet, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"sheet{suffix}"
    write_document(path, sheet)
    assert read_document(path, Sheet) == sheet
    assert document_from_table(document_to_table(sheet), Sheet, "sheet") == sheet


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"title": 3}, "s: title = 3 is not a text", "write a text in quotes"),
        ({"title": "a", "on": 1}, "s: on = 1 is not true or false", ""),
        ({"title": "a", "limit": True}, "s: limit = true is not a number", ""),
        ({"title": "a", "inner": 3}, "s: inner = 3 is not a table", "one key = value a line"),
        ({"title": "a", "inner": {"lr": "0.1"}}, 's: inner.lr = "0.1" is not a number', ""),
        ({"title": "a", "inner": {"rate": 0.1}}, "s: inner.rate is now called lr", "write lr instead of rate"),
        ({"title": "a", "inner": {"lrr": 0.1}}, r"no key of s: \[inner\] named 'lrr'. Did you mean 'lr'", ""),
        ({"title": "a", "inner": {"mode": "fats"}}, r"inner.mode \(in s\) named 'fats'. Did you mean 'fast'", ""),
        ({"title": "a", "inner": {"mode": 3}}, 's: inner.mode = 3 is not one of "fast", "slow"', ""),
        ({"title": "a", "rows": [{"name": ["x"]}, {"name": "x"}]}, r's: rows\[1\].name = "x" is not a list', ""),
        ({"title": "a", "rows": [{}]}, r"s: rows\[0\].name is missing", "a list"),
        ({"title": "a", "rows": [{"name": [], "k": 0.5}]}, r"rows\[0\].k = 0.5 is not a whole number or a text", ""),
        ({"title": "a", "by_name": {"b c": "d"}}, 's: by_name."b c" = "d" is not a whole number', ""),
        ({"title": "a", "rules": ["A", "B"]}, r's: rules\[0\] = "A" is not a list \(a text each\)', "in brackets"),
        ({"title": "a", "pair": [1.0]}, r"s: pair = \[1.0\] is not a list of 2", ""),
        ({"title": "a", "pair": ["x", "y"]}, r's: pair\[0\] = "x" is not a number', ""),
        ({"title": "a", "pair": [1, 2]}, r"s: pair\[1\] = 2 is not a text", ""),
        ({"title": "a", "titel": "b"}, "no key of s named 'titel'. Did you mean 'title'", ""),
        ({}, "s: title is missing", "a text"),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_refused_by_its_key(table: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(KCEError, match=message) as error:
        document_from_table({"schema": 1, **table}, Sheet, "s")
    assert hint in error.value.hint


def test_another_schema_and_none_are_refused_with_what_to_do() -> None:
    with pytest.raises(BadData, match=r"s has no schema version.* not a sheet") as error:
        document_from_table({"title": "a"}, Sheet, "s")
    assert "schema = 1" in error.value.hint
    for version in (2, 0, "1", True, 1.5):
        with pytest.raises(BadData, match="this KCE reads and writes a sheet of schema 1"):
            document_from_table({"schema": version, "title": "a"}, Sheet, "s")
    assert document_from_table({"text": "a"}, ByHand, "s") == ByHand("a")
    with pytest.raises(BadData, match="has schema 2"):
        document_from_table({"schema": 2}, ByHand, "s")
    with pytest.raises(UnknownName, match="Did you mean 'schema'"):
        document_from_table({"shema": 1}, ByHand, "s")


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_file_that_is_none_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sheet{suffix}"
    with pytest.raises(BadData, match="cannot be read: it does not exist"):
        read_document(path, Sheet)
    for data in (b"[[[", b"\xff\xfe", b"a", b'{"a":' * 100_000):
        path.write_bytes(data)
        with pytest.raises(BadData, match="is not a sheet") as error:
            read_document(path, Sheet)
        assert error.value.hint == "write a sheet"


def test_what_was_made_in_python_is_checked_by_the_same_types() -> None:
    assert repr(checked_model(Sheet("a", limit=3), "the choices").limit) == "3.0"
    with pytest.raises(BadData, match=r"the choices: inner.lr = true is not a number"):
        checked_model(Sheet("a", inner=Inner(lr=True)), "the choices")


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    sheet = Sheet("a", by_name={"b": np.int64(3)}, limit=np.float64(0.5), pair=(np.float32(2), np.str_("x")))
    write_document(tmp_path / "sheet.json", sheet)
    assert read_document(tmp_path / "sheet.json", Sheet) == Sheet("a", by_name={"b": 3}, limit=0.5, pair=(2.0, "x"))
    assert checked_model(sheet, "s") == sheet
    with pytest.raises(TypeError, match="no place in a document"):
        write_document(tmp_path / "sheet.json", Sheet(object()))


@pytest.mark.parametrize("value", ["1900-01-01", "1900-01-01T00:00:00", "12:00:00"])
def test_a_date_is_not_a_text(tmp_path: Path, value: str) -> None:
    (tmp_path / "sheet.toml").write_text(f"schema = 1\ntitle = {value}\n")
    with pytest.raises(BadData, match="is not a text"):
        read_document(tmp_path / "sheet.toml", Sheet)


def test_the_example_runs() -> None:
    assert doctest.testmod(documents).failed == 0


@dataclass(frozen=True)
class Filled:
    a: int = 1


@dataclass(frozen=True)
class Outer:
    filled: Filled
    listed: tuple[Filled, ...] = ()
    none: Filled | None = None


def test_a_table_has_the_defaults_of_what_the_file_left_out() -> None:
    made = documents.model_from_table({"filled": {}, "listed": [{}]}, Outer, "s")
    assert documents.model_to_table(made) == {"filled": {"a": 1}, "listed": [{"a": 1}], "none": None}
