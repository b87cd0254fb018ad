"""The list of worlds says what there is, with ranges that are those of the check."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from kce.bench.world_list import describe_world, list_worlds
from kce.bench.world_parameters import FeatureWorldParameters
from kce.bench.worlds import suite_worlds
from kce.errors import KCEError, UnknownName
from tests.conftest import REPOSITORY


def test_every_world_is_listed_and_can_be_shown() -> None:
    rows = list_worlds()
    assert {row["name"] for row in rows} == {*suite_worlds(), "demo", "drawn"}
    manual = (REPOSITORY / "kce" / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for row in rows:
        shown = describe_world(row["name"])
        values = {parameter["name"]: parameter["value"] for parameter in shown["parameters"]}
        assert row["parameters"].items() <= values.items()
        assert {p["name"] for p in shown["parameters"] if p["from"] == "world"} == set(row["parameters"])
        assert all(parameter["doc"] for parameter in shown["parameters"])
        assert f"`{row['name']}`" in manual


@pytest.mark.parametrize("name", [field.name for field in fields(FeatureWorldParameters)])
def test_the_ranges_are_those_that_are_checked(name: str) -> None:
    parameter = next(one for one in describe_world("plain")["parameters"] if one["name"] == name)
    low, high = parameter["range"]
    step = 1 if parameter["type"] == "int" else 0.01
    for value in (low - step, high + step):
        with pytest.raises(KCEError, match=rf"{name} = {re.escape(str(value))} is out of range"):
            FeatureWorldParameters(**{name: value})


def test_parameters_of_ones_own_are_shown_as_the_worlds() -> None:
    shown = describe_world("close:rows=30,seed=2")
    assert shown["name"] == "close@1:rows=30,seed=2"
    own = {parameter["name"]: parameter["value"] for parameter in shown["parameters"] if parameter["from"] == "world"}
    assert own == {"separation": 3.0, "rows": 30, "seed": 2}
    demo = {parameter["name"]: parameter["value"] for parameter in describe_world("demo:artefact=1.0")["parameters"]}
    assert demo["artefact"] == 1.0
    assert "root" not in demo


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("plaiin", UnknownName, "Did you mean 'plain'"),
        ("plain@9", UnknownName, "version of the world plain"),
        ("plain:row=3", UnknownName, "Did you mean 'rows'"),
        ("plain:rows=1", KCEError, "out of range"),
        ("plain:seed=x", KCEError, "not a whole number"),
        ("suite", KCEError, "a whole suite, not one world"),
        ("drawn-suite", KCEError, "a whole suite, not one world"),
        ("drawn:kind=jpg", UnknownName, "Did you mean 'jpeg'"),
        ("f.h5:/known", KCEError, "a table, not one world"),
        ("demo:images=-1", KCEError, "images"),
    ],
)
def test_what_is_no_world_is_refused(name: str, error: type[KCEError], said: str) -> None:
    with pytest.raises(error, match=said):
        describe_world(name)
