from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kce.training.sampling import held_out_mask

RECORDINGS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["", "r1", "r2", "r3", "r4", "r5", "r6"])),
    min_size=1,
    max_size=80,
)
SHARES = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5])


def mask(faces: list[tuple[str, str]], share: float, seed: int = 0) -> np.ndarray:
    return held_out_mask(
        np.array([c for c, _ in faces], np.str_),
        np.array([g for _, g in faces], np.str_),
        np.array([f"k{n}" for n in range(len(faces))], np.str_),
        share,
        seed,
    )


@given(RECORDINGS, SHARES)
def test_no_recording_is_on_both_sides_and_no_category_loses_more_than_half(
    faces: list[tuple[str, str]], share: float
) -> None:
    aside = mask(faces, share)
    sides: dict[str, set[bool]] = {}
    for (_, recording), out in zip(faces, aside.tolist(), strict=True):
        if recording:
            sides.setdefault(recording, set()).add(out)
    assert all(len(side) == 1 for side in sides.values())
    for category in "abc":
        mine = np.array([c == category for c, _ in faces])
        assert aside[mine].sum() <= mine.sum() / 2
    if share == 0:
        assert not aside.any()


@given(RECORDINGS, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_the_faces_does_not_matter(faces: list[tuple[str, str]], share: float, random: object) -> None:
    order = list(range(len(faces)))
    random.shuffle(order)  # type: ignore[attr-defined]
    keys = np.array([f"k{n}" for n in range(len(faces))])
    category, group = (np.array([face[i] for face in faces]) for i in (0, 1))
    one = held_out_mask(category, group, keys, share, 3)
    other = held_out_mask(category[order], group[order], keys[order], share, 3)
    assert set(keys[one].tolist()) == set(keys[order][other].tolist())


def test_about_the_share_of_each_category_is_held_out_at_random() -> None:
    faces = [(category, f"{category}{n // 4}") for category in "abc" for n in range(400)]
    masks = [mask(faces, 0.1, seed) for seed in range(5)]
    for aside in masks:
        for start in (0, 400, 800):
            assert 40 <= aside[start : start + 400].sum() < 44
    assert len({aside.tobytes() for aside in masks}) == 5


def test_faces_of_no_known_recording_stand_alone_and_one_recording_is_never_split() -> None:
    assert mask([("a", "")] * 20, 0.1).sum() == 2
    assert mask([("a", "r1")] * 20, 0.1).sum() == 0


def test_frames_of_one_video_stay_together_though_its_recording_is_unknown() -> None:
    keys = np.array([f"A/{video}.mp4#{frame}" for video in range(20) for frame in range(5)])
    held = held_out_mask(np.full(100, "a"), np.full(100, ""), keys, 0.1, 0)
    assert held.sum() == 10
    assert (held.reshape(20, 5).all(axis=1) == held.reshape(20, 5).any(axis=1)).all()
