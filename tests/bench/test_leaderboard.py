"""Leaderboards: ranks against scipy, published values, and laws."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kce.bench.bench_reports import LeaderboardReport
from kce.bench.leaderboard import compare_benches, make_leaderboards, mean_ranks, write_leaderboards
from kce.bench.leaderboard_tables import board_tables
from kce.errors import UnknownName
from kce.registry.result_provenance import Provenance
from kce.system.documents import read_document
from tests.support import browser


def cell(clusterer: str, world: str, ari: float | None, seed: int = 0, k: str = "known") -> dict[str, Any]:
    measures = ("nmi", "ami", "v_measure", "homogeneity", "completeness", "accuracy", "ari_clustered", "noise")
    about = {"id": f"{clusterer}{world}{seed}{k}", "world": world, "aligner": "none", "reducer": "none",
             "clusterer": clusterer, "k": k, "seed": seed}  # fmt: skip
    if ari is None:
        return {**about, "status": "failed", "reason": "it fails"}
    return {**about, "status": "ok", "reason": "", "n": 4, "classes": 2, "requested": 2, "clusters": 2, "seconds": 1.0,
            "peak_mib": None, "subsample": None,
            "scores": {"method": {"ari": ari, **dict.fromkeys(measures, ari)}}}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    return tmp_path


def kept(folder: Path, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in cells:
        np.save(folder / "labels" / f"{one['id']}.npy", np.array([0, 0, 1, 1]))
    return cells


@given(st.integers(2, 12), st.integers(3, 6), st.integers(0, 1000))
def test_ranks_are_scipys_and_add_up(worlds: int, entries: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((worlds, entries))
    result = mean_ranks(scores)
    assert sum(result["mean"]) == pytest.approx(entries * (entries + 1) / 2)
    assert result["mean"] == pytest.approx(stats.rankdata(-scores, axis=1).mean(axis=0))
    assert result["p"] == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue, abs=1e-6)


def test_the_critical_difference_is_the_published_one() -> None:
    """Demsar (2006), section 3.2.2: q = 2.569 for four classifiers; on 14 data sets the difference is 1.25."""
    assert mean_ranks(np.random.default_rng(0).random((14, 4)))["critical_difference"] == pytest.approx(1.25, abs=0.01)


def test_two_entries_have_a_test_but_one_world_or_one_entry_has_none() -> None:
    for shape in ((1, 4), (5, 1)):
        result = mean_ranks(np.random.default_rng(0).random(shape))
        assert result["p"] is None
        assert result["critical_difference"] is None
    two = mean_ranks(np.column_stack([np.linspace(0.8, 0.9, 8), np.linspace(0.3, 0.6, 8)]))
    assert two["p"] == pytest.approx(2 / 2**8)  # all of the sign patterns but two are less extreme
    assert two["critical_difference"] == pytest.approx(1.960 * (2 * 3 / (6 * 8)) ** 0.5, abs=1e-3)  # Demsar's table 5


def test_a_failure_scores_nothing_and_is_ranked_last(folder: Path) -> None:
    cells = [cell("a", "w1", 0.0), cell("a", "w2", 0.5), cell("b", "w1", None), cell("b", "w2", 0.9)]
    board = make_leaderboards(folder, kept(folder, cells))["known"]
    rows = {row["clusterer"]: row for row in board["rows"]}
    assert rows["b"]["failed"] == 1
    assert rows["b"]["reasons"] == ["it fails"]
    assert rows["b"]["ari"] == pytest.approx(0.45)
    assert rows["a"]["rank"] == rows["b"]["rank"] == 1.5
    assert rows["a"]["interval"] is None  # two worlds
    (table, *_) = board_tables("known", board)
    assert "-: no interval of fewer than 3 worlds" in table.note
    more = [cell("a", f"w{number}", ari) for number, ari in enumerate((1.0, 0.9, 1.0))]
    (row,) = make_leaderboards(folder, kept(folder, more))["known"]["rows"]
    assert -0.5 <= row["interval"][0] < row["ari"] < row["interval"][1] <= 1


def test_a_given_number_of_clusters_is_not_compared_with_an_estimated_one(folder: Path) -> None:
    cells = [cell("a", "w", 0.9), cell("a", "w", 0.5, k="unknown"), cell("b", "w", 0.7, k="own")]
    boards = make_leaderboards(folder, kept(folder, cells))
    assert [row["clusterer"] for row in boards["known"]["rows"]] == ["a"]
    assert [row["clusterer"] for row in boards["unknown"]["rows"]] == ["b", "a"]


def test_only_worlds_that_all_entries_have_are_ranked(folder: Path) -> None:
    cells = [cell("a", "w1", 0.1), cell("b", "w1", 0.2), cell("a", "w2", 0.9)]
    board = make_leaderboards(folder, kept(folder, cells))["known"]
    assert board["ranks"]["n"] == 1
    assert {row["clusterer"]: row["rank"] for row in board["rows"]} == {"a": 2, "b": 1}


def test_two_benchmarks_are_compared_world_by_world() -> None:
    one = [cell("a", f"w{n}", 0.5 + 0.01 * n) for n in range(8)]
    other = [cell("a", f"w{n}", 0.7 + 0.012 * n) for n in range(1, 8)] + [cell("c", "w0", 0.1)]
    found = compare_benches(one, other)
    assert [(row["clusterer"], row["n"]) for row in found] == [("a", 7)]
    assert found[0]["difference"] == pytest.approx(0.2 + 0.002 * 4)
    assert found[0]["interval"][0] > 0
    assert found[0]["p_holm"] < 0.05
    assert compare_benches(one, [cell("c", "w0", 0.1)]) == []


def test_what_is_written_holds_every_cell(folder: Path) -> None:
    cells = kept(folder, [cell("a", "w1", 0.25), cell("<b>", "w1", None)])
    paths = write_leaderboards(folder, make_leaderboards(folder, cells), cells)
    assert all(path.is_file() for path in paths)
    assert "&lt;b&gt;" in (folder / "leaderboard.html").read_text(encoding="utf-8")
    frames = {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}
    assert set(frames) == {"cells", "leaderboard-k-known", "differences-k-known", "world-w1"}
    assert len(frames["cells"]) == 2
    assert {"seconds", "peak_mib"} <= set(frames["cells"])
    assert {"low", "high", "seconds", "peak_mib"} <= set(frames["leaderboard-k-known"])


def test_every_export_says_where_its_numbers_come_from(folder: Path) -> None:
    cells = kept(folder, [cell(name, f"w{n}", 1 / 3 + 0.1 * n) for name in ("a", "b") for n in range(3)])
    made = Provenance(
        "2026-01-31T12:00:00Z",
        "kce bench clusterers --world 'x y'",
        {"worlds": 3},
        (0,),
        {"kce": "9.9", "hdbscan": "0.8"},
        {"clusterer a": "kce-umap 0.1.0"},
        "worlds: w0",
        "c0ffee",
    )
    boards = make_leaderboards(folder, cells)
    write_leaderboards(folder, boards, cells, made)
    assert read_document(folder / "tables" / "provenance.json", Provenance) == made
    assert read_document(folder / "leaderboard.json", LeaderboardReport).provenance == made
    bib = (folder / "tables" / "citation.bib").read_text(encoding="utf-8")
    page = (folder / "leaderboard.html").read_text(encoding="utf-8")
    for said in ("10.3390/electronics12112353", "{9.9}"):
        assert said in bib
        assert said in page
    texts = [page, *(path.read_text(encoding="utf-8") for path in (folder / "tables").glob("*.tex"))]
    assert len(texts) == 7
    for text in texts:
        for said in (
            "c0ffee",
            "2026-01-31T12:00:00Z",
            "kce-umap 0.1.0",
            "hdbscan 0.8",
            "3 worlds",
            "kce bench clusterers",
        ):
            assert said in text
    assert boards["known"]["verdict"] in html.unescape(page)
    # To the last digit, and without a line that is not of the table.
    frame = pd.read_csv(folder / "tables" / "leaderboard-k-known.csv")
    rows = boards["known"]["rows"]
    assert frame["ari"].tolist() == [row["ari"] for row in rows]
    assert [tuple(pair) for pair in frame[["low", "high"]].to_numpy()] == [tuple(row["interval"]) for row in rows]


def test_any_clusterer_of_one_bench_is_compared_with_any_of_another() -> None:
    one = [cell("a", f"w{n}", 0.5 + 0.01 * n**2) for n in range(8)]
    other = [cell(name, f"w{n}", 0.7 + 0.012 * n, k=k) for n in range(8) for name, k in (("c", "known"), ("d", "own"))]
    assert compare_benches(one, other) == []
    found = compare_benches(one, other, ["a"], ["c"])
    assert [(row["clusterer"], row["against"]["clusterer"], row["n"]) for row in found] == [("a", "c", 8)]
    assert found[0]["difference"] == pytest.approx(found[0]["second"] - found[0]["first"])
    assert compare_benches(one, other, against=["c"]) == compare_benches(one, other, ["a"]) == found
    assert compare_benches(one, other, ["a"], ["d"]) == []  # a number that was given, against one that was found
    with pytest.raises(UnknownName, match="clusterer in the second benchmark"):
        compare_benches(one, other, ["a"], ["a"])


@browser.needed
def test_the_page_draws_its_bars_and_loads_nothing(folder: Path) -> None:
    cells = kept(folder, [cell(name, f"w{n}", 0.2 + 0.1 * n) for name in ("a", "b", "c") for n in range(3)])
    write_leaderboards(folder, make_leaderboards(folder, cells), cells)
    with browser.opened(folder / "leaderboard.html") as seen:
        browser.drawn(seen.page, "ari")
    assert not seen.errors
    assert all(url.startswith(("file:", "data:", "blob:")) for url in seen.requests)
