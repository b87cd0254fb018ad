"""A table in pieces: whatever is done in whatever order, the rows are those of an extraction in one go, bit for bit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData, Refused
from kce.features import pieces
from kce.features.extract import extract_features
from kce.features.pieces import PieceWriter, rows_of_shard, split_rows
from kce.features.store import write_table
from kce.features.table import has_table, open_table
from tests.features.test_extract import REGISTRY, made  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from kce.faces.loader import Pixels

SHARD = 24  # rows, at a batch of 8
MADE = {"faces": "x"}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_SHARD_ROWS", 20)


@given(st.integers(1, 100_000), st.integers(1, 40), st.integers(1, 700))
def test_pieces_are_all_rows_once_in_whole_shards(count: int, most: int, batch_size: int) -> None:
    size = rows_of_shard(batch_size)
    assert size % batch_size == 0
    parts = split_rows(count, most, batch_size)
    assert [row for part in parts for row in (part.start, part.stop)][1:-1:2] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, count)
    assert all(part.start % size == 0 and len(part) for part in parts)
    assert len(parts) == min(most, -(-count // size))
    shards = [-(-len(part) // size) for part in parts]
    assert max(shards) - min(shards) <= 1


@pytest.mark.parametrize("others", [0, 1, 2])
def test_pieces_in_any_order_are_published_as_the_rows_of_one_go(
    made: tuple[Pixels, Path],  # noqa: F811
    tmp_path: Path,
    others: int,
) -> None:
    """Also if some pieces were never done; nothing of what was is done again."""
    pixels, weights = made
    extract_features(pixels, weights, REGISTRY, tmp_path / "whole.h5", "known", batch_size=8)
    parts = split_rows(len(pixels.faces), 3, 8)
    random.Random(others).shuffle(parts)
    for part in parts[others:]:
        extract_features(pixels, weights, REGISTRY, tmp_path / "a.h5", "known", batch_size=8, rows=part)
    assert not (tmp_path / "a.h5").exists()
    seen: list[int] = []
    extract_features(
        pixels, weights, REGISTRY, tmp_path / "a.h5", "known", batch_size=8, progress=lambda *a: seen.append(a[1])
    )
    if not others:
        assert seen == [len(pixels.faces)]
    same(tmp_path / "a.h5", tmp_path / "whole.h5")
    assert not (tmp_path / "a.h5.parts").exists()


def test_a_stopped_piece_goes_on_where_it_was_and_shards_of_another_size_are_done_again(
    made: tuple[Pixels, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    pixels, weights = made

    def extract(to: str, rows: range | None = None, most: int | None = None) -> list[int]:
        seen: list[int] = []

        def note(_: str, done: int, __: int | None) -> None:
            seen.append(done)
            if most is not None and done >= most:
                raise KeyboardInterrupt

        if most is None:
            extract_features(pixels, weights, REGISTRY, tmp_path / to, "known", batch_size=8, rows=rows, progress=note)
        else:
            with pytest.raises(KeyboardInterrupt):
                extract_features(
                    pixels, weights, REGISTRY, tmp_path / to, "known", batch_size=8, rows=rows, progress=note
                )
        return seen

    extract("whole.h5")
    first, second = split_rows(len(pixels.faces), 2, 8)
    extract("a.h5", most=40)  # as without pieces: one shard of 40 rows
    extract("a.h5", second)
    extract("a.h5", first, most=30)
    assert extract("a.h5", first)[0] == SHARD
    assert extract("a.h5")[0] == len(pixels.faces)
    same(tmp_path / "a.h5", tmp_path / "whole.h5")
    assert extract("a.h5", second) == []  # finished


def same(one: Path, other: Path) -> None:
    a, b = open_table(one, "known"), open_table(other, "known")
    assert (a.provenance, a.read_all().key.tolist()) == (b.provenance, b.read_all().key.tolist())
    for column in ("label", "group", "x"):
        np.testing.assert_array_equal(getattr(a.read_all(), column), getattr(b.read_all(), column))


def write(path: Path, rows: range, made_from: dict[str, str] = MADE, bad: int = -1) -> None:
    with PieceWriter(path, "known", made_from, rows, 8) as writer:
        if not writer.finished:
            number = np.arange(writer.done, rows.stop)
            x = np.where(number == bad, np.nan, number)[:, None].astype(np.float32)
            names = [str(n) for n in number]
            writer.append(names, names, names, x)


def test_what_is_wrong_is_refused_and_what_is_damaged_is_written_again(tmp_path: Path) -> None:
    path, (first, second) = tmp_path / "a.h5", split_rows(3 * SHARD, 2, 8)
    with pytest.raises(BadData, match="features of 30 are not finite"):
        write(path, second, bad=30)
    write(path, first)
    write(path, second)
    with pytest.raises(Refused, match="different settings"):
        write(path, second, {"faces": "other"})
    shard = sorted((tmp_path / "a.h5.parts" / "known").iterdir())[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    write(path, second)
    with write_table(path, "known", MADE) as writer:
        assert writer.done == 3 * SHARD
        writer.publish()
    assert open_table(path, "known").read_all().x[:, 0].tolist() == list(range(3 * SHARD))
    write(path, first)  # nothing to do
    assert has_table(path, "known", MADE)
    assert not (tmp_path / "a.h5.parts").exists()


def test_a_folder_of_shards_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.h5.parts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadData, match="leads out of"):
        write(tmp_path / "in" / "a.h5", range(8))
    assert not list((tmp_path / "elsewhere").iterdir())
