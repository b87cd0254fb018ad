from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import IncrementalPCA

from kce.errors import BadData, KCEError
from kce.features.reduction import align_rows, reduce_rows
from kce.features.store import write_table
from kce.features.streams import ChangedRows, StoredRows, in_memory
from kce.features.table import open_table
from kce.registry.registry import Registry
from kce.types import Features, batch_bounds

REGISTRY = Registry.load(Path("/"))


def table_rows(n: int = 50, dim: int = 6) -> Features:
    rng = np.random.default_rng(0)
    texts = [
        np.array([f"{word}{number % most}" for number in range(n)]) for word, most in (("k", n), ("l", 3), ("g", 9))
    ]
    return Features(*texts, rng.standard_normal((n, dim)).astype(np.float32))


def stored(path: Path, rows: Features) -> StoredRows:
    with write_table(path, "known", {"made": "here"}) as writer:
        writer.append(rows.key.tolist(), rows.label.tolist(), rows.group.tolist(), rows.x)
        writer.publish()
    return StoredRows.all_of(open_table(path, "known"))


@given(count=st.integers(0, 99), rows=st.integers(1, 40))
def test_batches_are_equal_and_complete(count: int, rows: int) -> None:
    lengths = [stop - start for start, stop in batch_bounds(count, rows)]
    assert sum(lengths) == count
    assert len(lengths) == -(-count // rows)
    assert not lengths or max(lengths) - min(lengths) <= 1 <= max(lengths) <= rows


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(chosen=st.lists(st.integers(0, 49), max_size=60), size=st.integers(1, 60))
def test_a_stream_is_its_rows(tmp_path: Path, chosen: list[int], size: int) -> None:
    rows = table_rows()
    path = tmp_path / "features.h5"
    stream = StoredRows.all_of(open_table(path, "known")) if path.exists() else stored(path, rows)
    picked = np.array(chosen, np.int64)
    part = stream.select(picked)
    for one, other in (
        (stream, rows),
        (part, rows.take(picked)),
        (ChangedRows(part, lambda b: b.x * 2), rows.take(picked).with_x(rows.x[picked] * 2)),
    ):
        read = list(one.batches(size))
        assert [key for batch in read for key in batch.key.tolist()] == other.key.tolist()
        assert np.array_equal(in_memory(one).x, other.x)
        assert not read or np.array_equal(np.concatenate([batch.x for batch in read]), other.x)
    mask = rows.label == "l1"
    assert np.array_equal(stream.take(mask).x, rows.x[mask])


class Counting:
    """A reducer of batches that says what it was given."""

    def __init__(self) -> None:
        self.fitted: list[int] = []

    def fit_transform(self, x: np.ndarray) -> np.ndarray:
        raise AssertionError("it was to be given batches")

    def partial_fit(self, x: np.ndarray) -> None:
        self.fitted.append(len(x))

    def transform(self, x: np.ndarray) -> np.ndarray:
        assert sum(self.fitted) == 10_000
        return x[:, :2].copy()


def test_a_reducer_of_batches_holds_no_more(tmp_path: Path) -> None:
    rows = table_rows(10_000)
    reducer = Counting()
    reduced = in_memory(reduce_rows(reducer, stored(tmp_path / "f.h5", rows)))
    assert np.array_equal(reduced.x, rows.x[:, :2])
    assert reduced.key.tolist() == rows.key.tolist()
    assert len(reducer.fitted) == 3
    assert max(reducer.fitted) - min(reducer.fitted) <= 1
    # scikit-learn's own fits as it is; its batches must have as many rows as components
    assert in_memory(reduce_rows(IncrementalPCA(5), rows)).x.shape == (10_000, 5)


class Whole:
    """A component that asks for all rows, and for more memory than there is."""

    align = fit_transform = None

    def check_price(self, n: int, dim: int) -> None:
        raise KCEError(f"{n} x {dim}", "take fewer")


def test_what_memory_cannot_hold_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stored(tmp_path / "f.h5", table_rows())
    monkeypatch.setattr(StoredRows, "batches", None)
    for use in (align_rows, reduce_rows):
        with pytest.raises(KCEError, match="50 x 6"):
            use(Whole(), stream)


def test_nan_in_the_last_batch_is_an_error_that_names_the_face(tmp_path: Path) -> None:
    rows = table_rows(9000)
    stream = stored(tmp_path / "f.h5", rows)
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["known/x"][8999] = np.nan
    with pytest.raises(BadData, match=r"the features of k8999 are not finite") as error:
        reduce_rows(Counting(), stream)
    assert error.value.hint


def test_a_table_that_is_cut_short_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    rows = table_rows(40_000, 64)
    stream = stored(tmp_path / "f.h5", rows)
    batches = stream.batches()
    next(batches)
    os.truncate(tmp_path / "f.h5", 4_000_000)
    with pytest.raises(BadData, match="damaged or cut short") as error:
        for _ in batches:
            pass
    assert error.value.hint


@pytest.mark.parametrize("aligner", ["none", "dataset-centre"])
def test_odd_rows_are_reduced_or_refused_alike_in_memory_and_as_a_stream(tmp_path: Path, aligner: str) -> None:
    rows = table_rows(40, 12)
    constant, same = rows.x.copy(), np.ones_like(rows.x)
    constant[:, 3] = 7
    for number, x in enumerate((constant, same, rows.x[:5])):
        given_rows = rows.take(np.arange(len(x))).with_x(x)
        answers = []
        for source in (given_rows, stored(tmp_path / f"{number}.h5", given_rows)):
            try:
                align = REGISTRY.build("aligner", aligner)
                answers.append(in_memory(reduce_rows(REGISTRY.build("reducer", "pca"), align_rows(align, source))).x)
            except KCEError as error:
                answers.append(np.array(error.message))
        assert np.array_equal(*answers)


def test_rows_that_memory_cannot_hold_are_an_error_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ChangedRows(table_rows(), lambda batch: batch.x)

    def lacking(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", lacking)
    with pytest.raises(BadData, match=r"50 rows of 6 features need 0.0 GiB") as error:
        in_memory(rows)
    assert error.value.hint
