"""Splits: nobody in two of them, whatever the samples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce import KCEError, Sample
from kce.data.leaks import SAME_VIDEO, Leak, find_leaks
from kce.data.splits import SHARES, disjoint_split, official_split


def sample(key: str, *identities: str, group: str = "", split: str = "", method: str = "m") -> Sample:
    return Sample(key, Path(key), "Given", method, method == "real", group, identities, split)


def celebdf(people: int, videos: int) -> list[Sample]:
    """Everybody is swapped with everybody."""
    ids = [f"celebdf:id{n}" for n in range(people)]
    reals = [sample(f"real/{a}_{v}", a, group=f"{a}_{v}", method="real") for a in ids for v in range(videos)]
    fakes = [
        sample(f"fake/{a}_{b}_{v}", a, b, group=f"{a}_{v}") for a in ids for b in ids if a != b for v in range(videos)
    ]
    return [*reals, *fakes]


def faceforensics(clips: int) -> list[Sample]:
    """Pairs, each both ways; some clips are of one video."""
    ids = [f"ffpp:{n:03}" for n in range(clips)]
    reals = [sample(f"real/{a}", a, group=a, method="real") for a in ids]
    partner = [ids[n ^ 1] for n in range(clips)]
    return [*reals, *(sample(f"fake/{a}_{b}", a, b, group=a) for a, b in zip(ids, partner, strict=True))]


NAMES = st.sampled_from([*(f"a:{n}" for n in range(12)), "ffpp:605", "ffpp:606"])
SAMPLES = st.lists(
    st.tuples(st.lists(NAMES, max_size=3), st.sampled_from(["", "g:1", "g:2", "a:1", "ffpp:606"]), st.booleans()),
    max_size=40,
).map(
    lambda rows: [
        sample(f"k{n}", *people, group=group, method="real" if real else "m")
        for n, (people, group, real) in enumerate(rows)
    ]
)
SOME_SHARES = st.sampled_from([SHARES, {"train": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}, {"train": 3.0, "test": 1.0}])


def parted(samples: list[Sample], by_key: Any) -> list[Sample]:
    return [
        Sample(s.key, s.path, s.dataset, s.method, s.real, s.group, s.identities, by_key[s.key])
        for s in samples
        if s.key in by_key
    ]


@given(SAMPLES, SOME_SHARES, st.integers(0, 3))
def test_nobody_is_in_two_splits_and_every_sample_is_accounted_for(
    samples: list[Sample], shares: dict[str, float], seed: int
) -> None:
    split = disjoint_split(samples, shares, seed)
    assert find_leaks({"Given": parted(samples, split.by_key)}) == []
    assert set(split.by_key) | split.dropped == {s.key for s in samples}
    assert not set(split.by_key) & split.dropped
    assert set(split.by_key.values()) <= set(shares)
    counts = Counter((split.by_key[s.key], s.category) for s in samples if s.key in split.by_key)
    report = split.report
    assert counts == {(name, category): n for name, by in report.counts.items() for category, n in by.items()}
    assert report.dropped == len(split.dropped) == sum((report.dropped_by_category or {}).values())


@given(SAMPLES.flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))), SOME_SHARES)
def test_the_order_of_samples_does_not_matter(
    both: tuple[list[Sample], list[Sample]], shares: dict[str, float]
) -> None:
    one, other = (disjoint_split(samples, shares, 1) for samples in both)
    assert one == other


@given(SAMPLES, SOME_SHARES, st.integers(0, 3))
def test_shares_are_met_to_within_the_largest_component(
    samples: list[Sample], shares: dict[str, float], seed: int
) -> None:
    report = disjoint_split(samples, shares, seed).report
    if report.mode == "identity":
        assert not report.dropped
        assert report.largest is not None
        largest = report.largest * len(samples)
        for name, share in shares.items():
            wanted = share / sum(shares.values()) * len(samples)
            assert abs(sum(report.counts[name].values()) - wanted) <= largest * len(shares) + 1e-6


def test_samples_that_name_nobody_are_placed_and_counted_as_unknown() -> None:
    flat = [Sample(f"{n}.png", Path(f"{n}.png"), "Given", "x") for n in range(30)]
    known = [Sample(f"k{n}", Path(), "Given", "x", group=f"g:{n}", split="test") for n in range(10)]
    for split in (disjoint_split([*flat, *known]), official_split([*flat, *known])):
        assert split.report.unknown == 30
    assert len(disjoint_split(flat).by_key) == 30
    assert disjoint_split(known).report.unknown == 0


def test_pairs_stay_together_and_nothing_is_dropped() -> None:
    samples = faceforensics(1000)
    split = disjoint_split(samples)
    report = split.report
    assert (report.mode, report.dropped) == ("identity", 0)
    assert {name: sum(by.values()) for name, by in report.counts.items()} == pytest.approx(
        {"train": 1600, "val": 200, "test": 200}, abs=12
    )
    for first, second in ((605, 606), (982, 983), (331, 332)):
        assert split.by_key[f"real/ffpp:{first}"] == split.by_key[f"real/ffpp:{second}"]


def test_where_all_are_connected_targets_part_and_crossing_fakes_are_dropped() -> None:
    samples = celebdf(30, 4)
    split = disjoint_split(samples)
    report = split.report
    assert (report.mode, report.components, report.largest) == ("target", 1, 1.0)
    assert find_leaks({"Given": parted(samples, split.by_key)}) == []
    assert report.dropped_by_category == {"Given_m": report.dropped}  # no real is ever lost
    assert 0.2 < report.dropped / len(samples) < 0.5
    assert all(report.counts[name]["Given_real"] for name in SHARES)


def test_only_what_is_too_large_is_taken_apart() -> None:
    pairs = [sample(f"p{n}", f"p:{n}", f"q:{n}") for n in range(40)]
    giant = celebdf(15, 4)
    split = disjoint_split([*giant, *pairs])
    assert split.report.mode == "target"
    assert not {s.key for s in pairs} & split.dropped


def test_a_mere_donor_goes_where_most_of_its_fakes_are() -> None:
    targets = [f"t:{n}" for n in range(10)]
    samples = [sample(f"{t}{n}", t, "d:0") for t in targets for n in range(10)]
    split = disjoint_split(samples, {"train": 0.8, "test": 0.2})
    assert set(split.by_key.values()) == {"train"}
    assert len(split.dropped) == 20


def test_another_seed_is_another_split() -> None:
    samples = faceforensics(200)
    assert disjoint_split(samples, seed=1) == disjoint_split(samples, seed=1)
    assert disjoint_split(samples, seed=1).by_key != disjoint_split(samples, seed=2).by_key


def test_samples_that_name_nobody_part_one_by_one_or_by_recording() -> None:
    alone = [sample(f"a{n}") for n in range(100)]
    counts = disjoint_split(alone).report.counts
    assert {name: by["Given_m"] for name, by in counts.items()} == {"train": 80, "val": 10, "test": 10}
    frames = [sample(f"{v}/{n}", group=f"v{v}") for v in range(20) for n in range(5)]
    split = disjoint_split(frames)
    assert all(len({split.by_key[f"{v}/{n}"] for n in range(5)}) == 1 for v in range(20))


def test_bad_shares_and_keys_are_refused() -> None:
    for shares in ({}, {"train": 0.0}, {"train": 1.0, "test": -0.1}, {"": 1.0}, {"a": float("nan")}):
        with pytest.raises(KCEError, match="shares of a split must be above 0"):
            disjoint_split([], shares)
    with pytest.raises(ValueError, match="two samples have the key 'a'"):
        disjoint_split([sample("a"), sample("a")])


def test_nothing_is_split_into_nothing() -> None:
    assert disjoint_split([]).report.largest == 0.0
    assert official_split([]).by_key == {}


def test_the_official_split_is_kept_as_it_is() -> None:
    split = official_split([sample("a", "x:1", split="train"), sample("b", "x:1", split="test"), sample("c")])
    assert split.by_key == {"a": "train", "b": "test"}
    assert split.report.counts == {"train": {"Given_m": 1}, "test": {"Given_m": 1}, "none": {"Given_m": 1}}


# --- leaks


def leak(kind: Any, *names: str, **splits: list[str]) -> Leak:
    return Leak(kind, names, {split: tuple(datasets) for split, datasets in splits.items()})


def test_leaks_within_and_across_datasets() -> None:
    assert find_leaks(
        {
            "A": [sample("1", "x:1", split="train"), sample("2", "x:1", "x:2", group="x:1_7", split="test")],
            "B": [sample("1", "x:2", group="x:1_7", split="train"), sample("2", "y:2", split="val")],
        }
    ) == [
        leak("identity", "x:1", test=["A"], train=["A"]),
        leak("recording", "x:1_7", test=["A"], train=["B"]),
        leak("identity", "x:2", test=["A"], train=["B"]),
    ]


def test_what_a_dataset_leaves_out_of_its_split_is_a_split_too() -> None:
    rest, test = sample("1", "x:1"), sample("2", "x:1", split="test")
    assert find_leaks({"A": [rest, test]}) == [leak("identity", "x:1", none=["A"], test=["A"])]
    assert find_leaks({"A": [rest], "B": [test]}) == []


SEVEN = {605: "train val", 639: "train val", 755: "test train", 837: "val train", 875: "val train", 954: "train test",
         982: "val train"}  # fmt: skip


def test_the_seven_videos_in_two_official_splits_are_known() -> None:
    sides = {f"ffpp:{clip + n}": split for clip, both in SEVEN.items() for n, split in enumerate(both.split())}
    samples = [sample(name, name, split=sides.get(name, "train")) for name in (f"ffpp:{n:03}" for n in range(1000))]
    leaks = find_leaks({"FaceForensics++": samples})
    assert [each.names for each in leaks] == [(f"ffpp:{clip}", f"ffpp:{clip + 1}") for clip in SEVEN]
    assert leaks[0] == leak("video", "ffpp:605", "ffpp:606", train=["FaceForensics++"], val=["FaceForensics++"])


def test_a_thousand_clips_are_977_videos() -> None:
    assert len({SAME_VIDEO.get(name, name) for name in (f"ffpp:{n:03}" for n in range(1000))}) == 977
    assert len(set(SAME_VIDEO.values())) == 22
