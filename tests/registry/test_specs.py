from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.registry.specs import bind_parameters, factory_signature, format_spec, parse_spec

names = st.from_regex(r"[a-z][a-z0-9_+-]{0,8}", fullmatch=True)
keys = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
text = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
values = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
    st.lists(st.integers(0, 9), max_size=3),
)


@given(names, st.dictionaries(keys, values, max_size=4))
def test_what_is_written_is_read_back(name: str, parameters: dict[str, object]) -> None:
    assert parse_spec(format_spec(name, parameters)) == (name, parameters)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("kmeans", {}),
        ("kmeans:n_clusters=19,seed=1", {"n_clusters": 19, "seed": 1}),
        ("timm:model=resnet18", {"model": "resnet18"}),
        ("a:x=1e-3,y=true,z=[1,2]", {"x": 0.001, "y": True, "z": [1, 2]}),
        ('a:path="b,c=d"', {"path": "b,c=d"}),
        ("a:path=/data/한국 [1]/x.pth", {"path": "/data/한국 [1]/x.pth"}),
        ("a:day=2024-01-01", {"day": "2024-01-01"}),
    ],
)
def test_values_are_toml_and_everything_else_is_text(spec: str, parameters: dict[str, object]) -> None:
    assert parse_spec(spec)[1] == parameters


@pytest.mark.parametrize("spec", ["", ":a=1", "a:b", "a:=1", "a:b=1,b=2", "a:b c=1"])
def test_what_cannot_be_read_is_refused_with_a_hint(spec: str) -> None:
    with pytest.raises(KCEError) as error:
        parse_spec(spec)
    assert error.value.hint


def factory(size: int, rate: float = 0.5, name: str = "x", place: Path | None = None, *, loud: bool = False) -> None:
    """Takes one of each."""


def test_binding_gives_every_parameter_in_order() -> None:
    assert bind_parameters("it", factory, {"size": 3, "rate": 1, "place": "a"}) == {
        "size": 3,
        "rate": 1.0,
        "name": "x",
        "place": Path("a"),
        "loud": False,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs the parameter 'size'"),
        ({"size": "three"}, "size = 'three' is not a whole number"),
        ({"size": True}, "size = True is not a whole number"),
        ({"size": 1, "loud": 1}, "loud = 1 is not true or false"),
        ({"size": 1, "rates": 1}, "Did you mean 'rate'"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(KCEError, match=message):
        bind_parameters("it", factory, given)


def test_an_unknown_parameter_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="Known: loud, name, place, rate, size"):
        bind_parameters("it", factory, {"zzz": 1, "size": 1})


@pytest.mark.parametrize("factory", [lambda **options: None, lambda *values: None, lambda value, /: None])
def test_a_factory_must_name_its_parameters(factory: object) -> None:
    with pytest.raises(BrokenPlugin, match="cannot be written as name=value"):
        factory_signature("it", factory)  # type: ignore[arg-type]
