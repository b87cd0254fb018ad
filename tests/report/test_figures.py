"""What the figures show, as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.features.store import write_table
from kce.features.table import open_table
from kce.report import figures
from kce.types import Features


def rows(categories: int = 4, each: int = 30, dim: int = 12, seed: int = 0, apart: float = 5.0) -> Features:
    random = np.random.default_rng(seed)
    label = np.repeat([f"A_{number}" for number in range(categories)], each)
    x = apart * random.standard_normal((categories, dim)).repeat(each, 0) + random.standard_normal((len(label), dim))
    key = np.array([f"{name}/{place}" for place, name in enumerate(label.tolist())])
    return Features(key, label, key, x.astype(np.float32))


def test_similar_categories_are_neighbours() -> None:
    original = rows(6)
    twin = original.take(np.flatnonzero(original.label == "A_0"))
    named = Features(np.char.add("B/", twin.key), np.full(len(twin), "Z_twin"), twin.group, twin.x + 0.01)
    both = Features(
        *(np.concatenate([getattr(original, c), getattr(named, c)]) for c in ("key", "label", "group", "x"))
    )
    result = figures.similarity_matrix(both)
    positions = {name: place for place, name in enumerate(result.names)}
    assert abs(positions["A_0"] - positions["Z_twin"]) == 1
    assert result.values[positions["A_0"], positions["Z_twin"]] == pytest.approx(1, abs=1e-2)
    assert np.allclose(result.values, result.values.T)
    assert np.allclose(np.diag(result.values), 1)


def test_explained_variance_rises_to_all_of_it() -> None:
    (_, share), *_ = figures.explained_variance({"a": rows()}).lines.values()
    assert np.all(np.diff(share) >= -1e-9)
    assert share[-1] == pytest.approx(1)
    # Four categories that lie far apart span three dimensions.
    assert share[2] > 0.8


def test_the_elbow_of_well_separated_categories_is_their_number() -> None:
    result = figures.elbow_curves({"a": rows(4, apart=20.0)}, 0)
    ks, index = result.lines["a"]
    assert ks[int(np.argmax(index))] == 4
    assert result.markers["categories"] == 4


@given(bend=st.integers(1, 8), steep=st.floats(2, 50))
def test_the_elbow_of_two_straight_lines_is_where_they_meet(bend: int, steep: float) -> None:
    x = np.arange(10.0)
    assert figures.elbow_position(x.tolist(), np.maximum(steep * (bend - x), -x + bend).tolist()) == bend


def test_a_map_shows_no_more_than_it_can_and_every_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MAX_POINTS", 50)
    original = rows(5, each=40)
    with write_table(tmp_path / "f.h5", "known", {"by": "test"}) as writer:
        writer.append(original.key, original.label, original.group, original.x)
        writer.publish()
    table = open_table(tmp_path / "f.h5", "known")
    found = figures.sample_rows(table, 0)
    assert len(found) == 50
    assert {name: int((found.label == name).sum()) for name in found.categories} == dict.fromkeys(
        original.categories, 10
    )
    assert (
        figures.sample_rows(table, 0).key.tolist() == found.key.tolist() != figures.sample_rows(table, 1).key.tolist()
    )


def test_points_have_the_number_of_their_face() -> None:
    shown = figures.ShownFaces()
    original = rows(3, each=10)
    one = figures.component_map(original, shown)
    again = figures.tsne_map(original, shown, 0)
    assert one.face.tolist() == again.face.tolist() == list(range(30))
    assert one.xy.shape == (30, 3)
    assert again.xy.shape == (30, 2)
    assert list(shown.numbers) == original.key.tolist()


def test_a_flow_has_every_category_once() -> None:
    plan = {"A_1": "x", "A_2": "y", "B_1": "x"}
    assert sorted(figures.plan_flow(plan).pairs) == sorted(plan.items())
