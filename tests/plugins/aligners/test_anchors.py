"""Laws of the aligners that know a dataset by its means."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kce.bench import synthetic
from kce.bench.world_parameters import FeatureWorldParameters
from kce.errors import BadData, KCEError
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table
from kce.registry.registry import Registry
from kce.testing import conforms

if TYPE_CHECKING:
    from kce.types import Features

REGISTRY = Registry.load(Path("/"))
NAMES = ("real-anchor", "whitened-anchor", "codec-delta", "dataset-centre")

PAIRED = "real-anchor:paired=true,unit=true"
WHITENED_PAIRED = "whitened-anchor:paired=true"
SPECS = (
    *NAMES,
    WHITENED_PAIRED,
    "real-anchor:unit=true",
    PAIRED,
    "codec-delta:unit=false",
    "whitened-anchor:power=0.0,components=9",
    "none",
)

test_without_units = conforms("aligner", "codec-delta", unit=False)
test_with_units = conforms("aligner", "real-anchor", unit=True)
test_paired = conforms("aligner", "real-anchor", unit=True, paired=True)
test_whitened_and_paired = conforms("aligner", "whitened-anchor", paired=True)


def world(**parameters: float) -> synthetic.FeatureWorld:
    result = {"dim": 48, "rows": 20, "categories": 8, "methods": 4, "datasets": 2, **parameters}
    return synthetic.make_feature_world(FeatureWorldParameters(**result), 5)  # type: ignore[arg-type]


def given(made: synthetic.FeatureWorld) -> Features:
    """A world's fakes as a run brings them to an aligner."""
    fakes, reals = len(made.features), len(made.reals)
    seen = {name: rows.take(np.arange(fakes, fakes + reals)) for name, rows in made.views.items()}
    views = {name: rows.take(np.arange(fakes)) for name, rows in made.views.items()}
    return replace(made.features, reals=replace(made.reals, views=seen), views=views)


def stored(path: Path, rows: Features, name: str = "known") -> StoredRows:
    """The rows with their reals and views as a run stores them."""
    with write_table(path, name, {"made": "here"}) as writer:
        writer.append(rows.key, rows.label, rows.group, rows.x)
        writer.publish()
    return replace(
        StoredRows.all_of(open_table(path, name)),
        reals=None if rows.reals is None else stored(path, rows.reals, "reals"),
        views={view: stored(path, table, f"{name}+{view}") for view, table in rows.views.items()},
    )


@pytest.mark.parametrize(
    "parameters", [{}, {"dim": 520, "rows": 12, "shift": 3.0, "stretch": 1.0}], ids=["exact", "wide"]
)
def test_a_stored_table_is_aligned_batch_by_batch_as_its_rows_are(tmp_path: Path, parameters: dict[str, float]) -> None:
    rows = given(world(**parameters))
    stream = stored(tmp_path / "features.h5", rows)
    for spec in SPECS:
        aligner = REGISTRY.build("aligner", spec)
        aligner.fit(stream)
        batchwise = np.concatenate([aligner.transform(batch) for batch in stream.batches(33)])
        whole = REGISTRY.build("aligner", spec).align(rows)
        assert np.allclose(batchwise, whole, atol=1e-5 * np.abs(whole).max()), spec


def test_a_category_that_was_not_seen_cannot_be_aligned() -> None:
    rows = given(world())
    for spec in NAMES:
        aligner = REGISTRY.build("aligner", spec)
        with pytest.raises(KCEError, match="learned from no rows"):
            aligner.transform(rows)
        known = rows.label != rows.categories[0]
        aligner.fit(replace(rows.take(known), views={name: view.take(known) for name, view in rows.views.items()}))
        with pytest.raises(BadData, match=rows.categories[0]):
            aligner.transform(rows)


def moved(rows: Features, by: dict[str, np.ndarray]) -> Features:
    """Every row moved by its dataset's vector."""
    return replace(rows, x=(rows.x + np.stack([by[name] for name in rows.dataset.tolist()])).astype(np.float32))


@pytest.mark.parametrize("spec", ["real-anchor", "whitened-anchor:storage=0.0", "codec-delta", "dataset-centre"])
def test_what_a_dataset_adds_to_all_its_pictures_leaves_no_trace(spec: str) -> None:
    rows = given(world())
    assert rows.reals is not None
    random = np.random.default_rng(0)
    by = {dataset: random.normal(0, 5, rows.x.shape[1]) for dataset in set(rows.dataset.tolist())}
    seen = {view: moved(table, by) for view, table in rows.reals.views.items()}
    other = replace(
        moved(rows, by),
        reals=replace(moved(rows.reals, by), views=seen),
        views={view: moved(table, by) for view, table in rows.views.items()},
    )
    one, two = (REGISTRY.build("aligner", spec).align(table) for table in (rows, other))
    assert np.allclose(one, two, atol=2e-3 * np.abs(one).max())


def test_an_anchored_row_is_its_difference_from_the_mean_of_its_own_reals() -> None:
    rows = given(world(shift=4.0))
    assert rows.reals is not None
    means = {name: rows.reals.x[rows.reals.dataset == name].mean(axis=0) for name in set(rows.dataset.tolist())}
    wanted = rows.x - np.stack([means[name] for name in rows.dataset.tolist()])
    assert np.allclose(REGISTRY.build("aligner", "real-anchor").align(rows), wanted, atol=1e-4)


@pytest.mark.parametrize("spec", [PAIRED, "whitened-anchor:paired=true,storage=0.0"])
def test_what_a_recording_adds_to_its_reals_and_forgeries_leaves_no_trace_in_pairs(spec: str) -> None:
    rows = given(world())
    assert rows.reals is not None
    random = np.random.default_rng(0)
    of_recording = {name: random.normal(0, 5, rows.x.shape[1]) for name in set(rows.reals.recording.tolist())}

    def moved_by_recording(table: Features) -> Features:
        return table.with_x(table.x + np.stack([of_recording[name] for name in table.recording.tolist()]))

    other = replace(moved_by_recording(rows), reals=moved_by_recording(rows.reals))
    one, two = (REGISTRY.build("aligner", spec).align(table) for table in (rows, other))
    assert np.allclose(one, two, atol=1e-3 * np.abs(one).max())


def test_a_face_without_a_real_of_its_recording_is_seen_from_the_mean_of_all(caplog: pytest.LogCaptureFixture) -> None:
    rows = given(world())
    assert rows.reals is not None
    lost = rows.recording[0]
    kept = rows.reals.take(rows.reals.recording != lost)
    alone = rows.recording == lost
    with caplog.at_level(logging.WARNING, "kce.anchors"):
        x = REGISTRY.build("aligner", "real-anchor:paired=true").align(replace(rows, reals=kept))
    assert f"{alone.sum()} of {len(rows)} faces have no real of their own recording" in caplog.text
    unpaired = REGISTRY.build("aligner", "real-anchor").align(replace(rows, reals=kept))
    assert np.allclose(x[alone], unpaired[alone], atol=1e-4)
    for number in np.flatnonzero(~alone)[::17]:
        own = (kept.recording == rows.recording[number]) & (kept.dataset == rows.dataset[number])
        assert np.allclose(x[number], rows.x[number] - kept.x[own].mean(axis=0), atol=1e-4)


def test_without_any_pair_it_is_the_aligner_without_pairs(caplog: pytest.LogCaptureFixture) -> None:
    rows = given(world())
    assert rows.reals is not None
    apart = replace(rows, reals=replace(rows.reals, group=np.full(len(rows.reals), "elsewhere")))
    with caplog.at_level(logging.WARNING, "kce.anchors"):
        x = REGISTRY.build("aligner", "real-anchor:paired=true").align(apart)
    assert f"{len(rows)} of {len(rows)} faces" in caplog.text
    np.testing.assert_array_equal(x, REGISTRY.build("aligner", "real-anchor").align(apart))


@pytest.mark.parametrize("spec", ["codec-delta", "real-anchor:unit=true", PAIRED, "whitened-anchor", WHITENED_PAIRED])
def test_category_means_have_unit_length(spec: str) -> None:
    rows = given(world())
    x = REGISTRY.build("aligner", spec).align(rows)
    lengths = [np.linalg.norm(x[rows.label == category].mean(axis=0)) for category in rows.categories]
    assert np.allclose(lengths, 1, atol=1e-4)


def test_whitened_rows_are_in_units_of_how_far_chance_moves_a_mean() -> None:
    rows = given(world(rows=400, dim=32))  # all of them vary
    x = REGISTRY.build("aligner", "whitened-anchor:power=0.0,storage=0.0").align(rows).astype(float)
    codes = np.unique(rows.label, return_inverse=True)[1]
    means = np.stack([x[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    recordings = np.mean([1 / len(set(rows.recording[rows.label == name].tolist())) for name in rows.categories])
    covariance = np.cov((x - means[codes]).T) * recordings
    assert x.shape[1] <= 48
    assert np.allclose(covariance, np.eye(len(covariance)), atol=0.2)


def between(rows: Features, spec: str) -> np.ndarray:
    """The distances between the means of aligned categories."""
    x = REGISTRY.build("aligner", spec).align(rows).astype(float)
    means = np.stack([x[rows.label == category].mean(axis=0) for category in rows.categories])
    return np.asarray(np.linalg.norm(means[:, None] - means[None], axis=2))


def test_the_more_the_reals_of_datasets_differ_the_less_is_whitened() -> None:
    rows = given(world(dim=32, spread=3.0))
    assert rows.reals is not None
    by = {name: np.random.default_rng(number).normal(0, 1, 32) for number, name in enumerate(("set1", "set2"))}
    plain, whitened = between(rows, "real-anchor:unit=true"), between(rows, "whitened-anchor:storage=0.0")

    def apart(factor: float) -> tuple[float, float]:
        """How far the distances are from those of plain directions, and from those of whitened ones."""
        far = {name: vector * factor for name, vector in by.items()}
        distances = between(replace(moved(rows, far), reals=moved(rows.reals, far)), "whitened-anchor")
        return float(np.abs(distances - plain).max()), float(np.abs(distances - whitened).max())

    steps = [apart(factor) for factor in (0.0, 1.0, 10.0, 1000.0)]
    assert [one for one, _ in steps] == sorted((one for one, _ in steps), reverse=True)
    assert [two for _, two in steps] == sorted(two for _, two in steps)
    assert steps[-1][0] < 0.01 * steps[0][0]
    assert steps[0][1] < 0.2 * steps[-1][1]


def test_more_faces_of_a_recording_do_not_make_its_category_surer() -> None:
    rows = given(world(dim=32))
    assert rows.reals is not None
    once, thrice = between(rows, "whitened-anchor:power=0.0"), between(repeated(rows, 3), "whitened-anchor:power=0.0")
    assert np.allclose(once, thrice, rtol=0.1)


def repeated(rows: Features, times: int) -> Features:
    """Every row several times, under other keys; so are the reals, without views."""
    reals = None if rows.reals is None else repeated(rows.reals, times)
    return replace(
        rows,
        key=np.concatenate([np.char.add(rows.key, f"+{number}") for number in range(times)]),
        label=np.tile(rows.label, times),
        group=np.tile(rows.group, times),
        x=np.tile(rows.x, (times, 1)),
        reals=reals,
        views={},
    )


def test_reals_of_one_dataset_say_nothing_of_storage() -> None:
    rows = given(world())
    assert rows.reals is not None
    own = rows.take(rows.dataset == "set1")
    alone = replace(own, reals=rows.reals.take(rows.reals.dataset == "set1"), views={})
    np.testing.assert_array_equal(
        REGISTRY.build("aligner", "whitened-anchor").align(alone),
        REGISTRY.build("aligner", "whitened-anchor:storage=0.0").align(alone),
    )


def test_rows_that_are_one_point_a_category_cannot_be_whitened() -> None:
    rows = given(world())
    assert rows.reals is not None
    codes = np.unique(rows.label, return_inverse=True)[1]
    flat = np.eye(codes.max() + 1, rows.x.shape[1], dtype=np.float32)[codes]
    reals = rows.reals.with_x(np.zeros_like(rows.reals.x))
    with pytest.raises(BadData, match="single point"):
        REGISTRY.build("aligner", "whitened-anchor").align(replace(rows, x=flat, reals=reals))
    for spec in (
        "whitened-anchor:power=1.5",
        "whitened-anchor:components=0",
        "whitened-anchor:storage=-0.1",
        "whitened-anchor:storage=inf",
    ):
        with pytest.raises(KCEError):
            REGISTRY.build("aligner", spec)


def test_directions_that_storage_moves_count_for_less_the_larger_their_weight() -> None:
    rows = given(world(stretch=2.0))

    def share(r: float) -> float:
        """Of the aligned means' variance, what lies along the moves from view to view."""
        x = REGISTRY.build("aligner", f"codec-delta:r={r},unit=false").align(rows)
        seen = REGISTRY.build("aligner", f"codec-delta:r={r},unit=false").align(
            replace(rows, x=rows.views["jpeg70"].x, reals=replace(rows.reals, x=rows.reals.views["jpeg70"].x))
        )
        still, again = (np.stack([table[rows.label == c].mean(axis=0) for c in rows.categories]) for table in (x, seen))
        return float(((again - still) ** 2).sum() / (still**2).sum())

    assert rows.reals is not None
    assert share(30.0) < share(3.0) < share(0.0)


def test_views_of_some_faces_in_any_order_will_do() -> None:
    rows = given(world(stretch=1.0))
    order = np.random.default_rng(1).permutation(len(rows))
    mixed = replace(rows, views={name: table.take(order) for name, table in rows.views.items()})
    few = replace(rows, views={name: table.take(np.arange(0, len(rows), 2)) for name, table in rows.views.items()})
    aligner = REGISTRY.build("aligner", "codec-delta")
    assert np.allclose(aligner.align(rows), aligner.align(mixed), atol=1e-4)
    assert aligner.align(few).shape == rows.x.shape


def test_a_dataset_without_reals_and_a_table_without_views_are_refused() -> None:
    rows = given(world())
    assert rows.reals is not None
    aligner = REGISTRY.build("aligner", "codec-delta")
    with pytest.raises(BadData, match="have no reals to subtract"):
        aligner.align(replace(rows, reals=None))
    with pytest.raises(BadData, match="no reals of set2"):
        aligner.align(replace(rows, reals=rows.reals.take(rows.reals.dataset == "set1")))
    with pytest.raises(BadData, match="no view 'jpeg70'"):
        aligner.align(replace(rows, views={}))


@pytest.mark.parametrize("spec", ["codec-delta:views=[]", "codec-delta:r=-1", "codec-delta:base=0"])
def test_weights_and_views_that_are_none_are_refused(spec: str) -> None:
    with pytest.raises(KCEError):
        REGISTRY.build("aligner", spec)


def test_harmony_brings_shifted_datasets_together() -> None:
    rows = world(shift=3.0).features
    x = REGISTRY.build("aligner", "harmony").align(rows)

    def apart(table: np.ndarray) -> float:
        one, other = (table[rows.dataset == name].mean(axis=0) for name in ("set1", "set2"))
        return float(np.linalg.norm(one - other))

    assert apart(x) < 0.5 * apart(rows.x)
