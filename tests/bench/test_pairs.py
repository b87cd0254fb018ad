"""Who won: paired differences of all pairs, and the sentence about them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kce.bench.pairs import all_pairs, common_worlds, compare_pairs, differences_table, verdict


def scores(seed: int, entries: int, worlds: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(seed)
    means = rng.uniform(0, 1, entries)
    return {
        f"entry {e}": {f"world {w}": float(mean + rng.normal(0, 0.1)) for w in range(worlds)}
        for e, mean in enumerate(means)
    }


@given(st.integers(0, 999), st.integers(2, 5), st.integers(2, 9))
def test_every_pair_is_tested_once_and_the_verdict_names_it_once(seed: int, entries: int, worlds: int) -> None:
    own = scores(seed, entries, worlds)
    found = all_pairs(own)
    assert {frozenset((d.entry, d.over)) for d in found} == {frozenset(pair) for pair in combinations(own, 2)}
    for difference in found:
        assert difference.mean >= 0  # the one with the higher mean comes first
        assert difference.n == worlds
        a, b = (list(own[name].values()) for name in (difference.entry, difference.over))
        assert difference.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
        assert difference.p_holm is not None
        assert difference.p_holm >= difference.p
    text = verdict(own, found)
    assert f"over {worlds} worlds" in text
    apart = [d for d in found if d.separable]
    assert ("is better than" in text) == bool(apart)
    assert ("cannot be told apart" in text or "can be told apart from another" in text) == (len(apart) < len(found))
    for name in own:
        assert name in text or not apart


def test_a_difference_that_never_varies_is_told_apart_by_signs() -> None:
    """One entry solves every world and the other fails on each: t has no value there."""
    own = {name: {f"w{n}": value for n in range(11)} for name, value in (("solves", 1.0), ("fails", 0.0))}
    (difference,) = all_pairs(own)
    assert difference.p == difference.p_permutation == pytest.approx(2 / 2**11)
    assert verdict(own, [difference]).startswith("solves is better than fails (")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "there is no entry"),
        ({"kmeans": {"small@1": 0.5}}, "there is one entry (kmeans), on one world"),
        ({"kmeans": {"a": 0.5, "b": 0.5}}, "there is one entry (kmeans), on 2 worlds"),
        (
            {"kmeans": {"a": 0.5}, "birch": {"a": 0.6}},
            "Nothing can be told apart: 2 entries were compared on one world (a)",
        ),
        ({"kmeans": {"a": 0.5}, "birch": {"b": 0.6}}, "no world has all entries"),
        ({"kmeans": {"a": 0.5, "b": 0.1}, "birch": {"a": 0.5, "b": 0.1}}, "No entry can be told apart from another"),
    ],
)
def test_what_cannot_be_compared_is_said_plainly(own: dict[str, dict[str, float]], said: str) -> None:
    assert said in verdict(own, all_pairs(own))


def test_only_worlds_that_all_have_count_for_all_pairs_and_common_ones_for_a_pair() -> None:
    own = {"a": {"u": 0.1, "v": 0.2, "w": 0.3}, "b": {"u": 0.2, "v": 0.1, "w": 0.1}, "c": {"v": 0.3, "w": 0.1}}
    assert common_worlds(own) == ["v", "w"]
    assert {d.n for d in all_pairs(own)} == {2}
    assert compare_pairs([("a", own["a"], "b", own["b"]), ("a", own["a"], "x", {"y": 1.0})])[0].n == 3


def test_the_table_has_the_ends_of_its_intervals_in_columns_of_their_own() -> None:
    found = all_pairs(scores(0, 3, 5))
    table = differences_table("d", "D", "n", found)
    for record, difference in zip(table.records, found, strict=True):
        assert (record["low"], record["high"]) == difference.interval
        assert record["told_apart"] == difference.separable
