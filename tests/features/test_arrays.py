"""Features of arrays: what goes in comes out, and what is not known is said to be so."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import kce
from kce.errors import BadData, KCEError, Refused

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@st.composite
def features(draw: st.DrawFn) -> kce.Features:
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 5)))
    x = draw(arrays.arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32)))
    column = st.lists(TEXT, min_size=shape[0], max_size=shape[0])
    key = draw(st.lists(TEXT, min_size=shape[0], max_size=shape[0], unique=True))
    return kce.Features.from_arrays(x, draw(column), key, draw(column))


def columns(one: kce.Features) -> list[Any]:
    return [one.key.tolist(), one.label.tolist(), one.group.tolist(), one.x.tolist()]


@settings(max_examples=10)
@given(features())
def test_what_is_saved_is_loaded_and_saving_it_again_changes_nothing(made: kce.Features) -> None:
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "f.h5:/known"
        made.save(address)
        before = (Path(folder) / "f.h5").stat().st_mtime_ns
        made.save(address)
        assert (Path(folder) / "f.h5").stat().st_mtime_ns == before
        assert columns(kce.load_features(address)) == columns(made)
        assert [len(batch) for batch in kce.open_features(address).batches(1)] == [1] * len(made)


@given(features())
def test_a_frame_has_every_column(made: kce.Features) -> None:
    frame = made.to_frame()
    assert list(frame.columns) == ["key", "label", "group", *(f"x{n}" for n in range(made.dim))]
    again = kce.Features.from_arrays(frame.filter(regex="^x[0-9]"), frame.label, frame.key, frame.group)
    assert columns(again) == columns(made)


def test_a_group_that_is_missing_is_unknown() -> None:
    made = kce.Features.from_arrays([[1], [2], [3]], pd.Series(["A_x", "A_y", "A_y"]), group=["v", None, float("nan")])
    assert made.group.tolist() == ["v", "", ""]
    assert made.key.tolist() == ["row-0", "row-1", "row-2"]


def test_other_rows_are_refused_and_other_tables_stay(at: Path) -> None:
    one, two = (kce.Features.from_arrays([[float(n)]], ["A_x"]) for n in (1, 2))
    one.save("f.h5:/one")
    two.save("f.h5:/two")
    with pytest.raises(Refused):
        two.save("f.h5:/one")
    assert kce.load_features("f.h5:/one").x.tolist() == [[1.0]]
    with pytest.raises(BadData, match="it has: /one, /two"):
        kce.load_features("f.h5")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([[1.0]], []), "0 values of label for 1 rows"),
        (([1.0, 2.0], ["A", "B"]), "shape"),
        (([[1.0], [2.0, 3.0]], ["A", "B"]), "not a table of numbers"),
        (([["a"]], ["A"]), "not a table of numbers"),
        (([[np.nan]], ["A"]), "features of row-0 are not finite"),
        (([[1e300]], ["A"]), "features of row-0 are not finite"),
        (([[1.0]], [None]), "row 0: None is not a label"),
        (([[1.0]], [float("nan")]), "row 0: nan is not a label"),
        (([[1.0]], [0.5]), "is not a label"),
        (([[1.0]], [""]), "is not a label"),
        (([[1.0], [2.0]], ["A", "A"], ["k", "k"]), "the key k occurs twice"),
        ((np.zeros((1, 0)), ["A"]), "shape"),
    ],
)
def test_what_is_no_table_of_faces_is_refused(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(BadData, match=said) as error:
        kce.Features.from_arrays(*arguments)
    assert error.value.hint


@pytest.mark.parametrize("address", ["f.h5", "f.h5:/", ":/known"])
def test_an_address_without_a_table_is_refused(at: Path, address: str) -> None:
    with pytest.raises(KCEError) as error:
        kce.Features.from_arrays([[1.0]], ["A_x"]).save(address)
    assert error.value.hint
