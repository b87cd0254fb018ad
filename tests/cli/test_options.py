from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kce.api.arguments import parse_size
from kce.cli.main import app
from kce.cli.options import repeat_options
from kce.errors import KCEError
from kce.pipeline.recipe import Recipe

SEVERAL, FLAGS = {"--unknown", "--evaluator"}, {"--json"}
WORDS = st.lists(st.sampled_from(["a", "b", "--unknown", "--evaluator", "--json", "--seed", "--unknown=c", "--"]))


def repeated(line: str, arguments: int = 1) -> str:
    return " ".join(repeat_options(line.split(), SEVERAL, FLAGS, arguments))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("out --unknown A B --seed 1", "out --unknown A --unknown B --seed 1"),
        ("--unknown A B out", "--unknown A --unknown B out"),
        ("--unknown A B --json out", "--unknown A --unknown B --json out"),
        ("out --unknown=A B", "out --unknown=A --unknown B"),
        ("out typo --unknown A", "out typo --unknown A"),  # nothing makes a category of it
        ("out --seed -1 --unknown A B", "out --seed -1 --unknown A --unknown B"),
        ("--unknown A B -- out", "--unknown A --unknown B -- out"),
        ("out --unknown", "out --unknown"),
    ],
)
def test_each_value_gets_its_option(line: str, expected: str) -> None:
    assert repeated(line) == expected


@given(WORDS, st.integers(0, 2))
def test_only_options_are_added(words: list[str], arguments: int) -> None:
    result = list(repeat_options(words, SEVERAL, FLAGS, arguments))
    left = iter(result)
    assert all(word in left for word in words)  # all words are there, in their order
    assert {name for name in result if result.count(name) > words.count(name)} <= SEVERAL


def test_the_help_of_a_run_has_the_defaults_of_the_code() -> None:
    shown = " ".join(CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "250"}).output.split())
    recipe = Recipe()
    for option in ("backbone", "aligner", "reducer", "clusterer", "plan", "k", "vote", "layer", "seed", "timeout"):
        assert f"[default: {getattr(recipe, option)}]" in shown.partition(f" --{option} ")[2].partition(" --")[0]
    for option in ("epochs", "batch_size", "lr", "weight_decay", "loss", "held_out", "checkpoint"):
        entry = shown.partition(f" --{option.replace('_', '-')} ")[2].partition(" --")[0]
        assert f"[default: {getattr(recipe.train, option)}]" in entry


@pytest.mark.parametrize(("text", "size"), [("7B", 7), ("2 kB", 2048), ("1.5mb", 3 * 2**19), ("20GB", 20 * 2**30)])
def test_sizes_are_in_units_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "20", "GB", "-1GB", "1e3GB", "20 gigabytes", "1,5GB", "٢GB", "nanGB"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(KCEError, match="is not a size") as error:
        parse_size(text)
    assert "20GB" in error.value.hint
