"""A fitted tracer on clouds whose truth is known: coverage by recordings, the unknown, neighbours and videos."""

from __future__ import annotations

import numpy as np
import pytest

from kce import BadData, Features, MergePlan
from kce.registry.registry import Registry
from kce.tracing.families import plan_with_reals
from kce.tracing.fitted import FittedTracer
from kce.tracing.groups import group_unexplained
from kce.tracing.videos import Videos

TRACERS = Registry.shipped().names("tracer")
CATEGORIES = ("A_swap", "A_real", "B_swap", "B_lips", "B_real")
PLAN = plan_with_reals(MergePlan({"A_swap": "swap", "B_swap": "swap", "B_lips": "lips"}), ["A_real", "B_real"])
DIM = 12


def cloud(category: int, recordings: int, faces: int, rng: np.random.Generator, name: str = "") -> Features:
    """Faces about the mean of their recording, recordings about that of their category."""
    centre = np.zeros(DIM)
    centre[category] = 6.0
    own = centre + 0.7 * rng.standard_normal((recordings, DIM))
    x = np.repeat(own, faces, axis=0) + 0.3 * rng.standard_normal((recordings * faces, DIM))
    label = CATEGORIES[category] if category < len(CATEGORIES) else "C_new"
    group = np.repeat([f"{name}{label}:{n}" for n in range(recordings)], faces)
    key = [f"{label[0]}/{name}{label}/{n // faces}.mp4#{n % faces}" for n in range(len(x))]
    return Features(np.array(key), np.full(len(x), label), group, x.astype(np.float32))


def known(rng: np.random.Generator, recordings: int, name: str = "") -> Features:
    parts = [cloud(category, recordings, 4, rng, name) for category in range(len(CATEGORIES))]
    return Features(
        *(np.concatenate([getattr(part, column) for part in parts]) for column in ("key", "label", "group", "x"))
    )


def fitted(tracer: str, seed: int = 0, held_out: int = 40) -> FittedTracer:
    rng = np.random.default_rng(seed)
    built = Registry.shipped().build("tracer", tracer)
    return FittedTracer(built, known(rng, 30), known(rng, held_out, "held/"), PLAN, level=0.95, seed=0)


@pytest.mark.parametrize("tracer", TRACERS)
def test_new_recordings_keep_their_family_as_often_as_the_level_says(tracer: str) -> None:
    kept, right, faces = 0, 0, 0
    for seed in range(4):
        own = fitted(tracer, seed)
        new = known(np.random.default_rng(100 + seed), 60, "new/")
        (traced,) = own.trace(new)
        truth = [own.families.index(PLAN.classes[label]) for label in new.label.tolist()]
        kept += int(traced.possible[np.arange(len(new)), truth].sum())
        right += sum(answer == own.families[number] for answer, number in zip(traced.answer, truth, strict=True))
        faces += len(new)
    assert 0.92 <= kept / faces <= 0.99
    assert right / faces >= 0.9


@pytest.mark.parametrize("tracer", ["energy", "mahalanobis", "mahalanobis-energy", "nearest-neighbours"])
def test_what_no_family_explains_is_unknown(tracer: str) -> None:
    own = fitted(tracer)
    new = cloud(9, 20, 4, np.random.default_rng(5), "new/")
    (traced,) = own.trace(new)
    unknown = np.mean([answer == "unknown" for answer in traced.answer])
    assert unknown >= (0.95 if tracer.startswith("mahalanobis") else 0.3)
    assert not traced.possible[[answer == "unknown" for answer in traced.answer] & (traced.known > 0.025)].any()


def test_the_reals_of_all_datasets_are_one_family() -> None:
    own = fitted("mahalanobis")
    assert own.families == ["lips", "real", "swap"]
    (traced,) = own.trace(cloud(1, 5, 1, np.random.default_rng(3), "new/"))
    assert traced.answer.count("real") >= 4


def test_neighbours_are_known_faces_the_nearest_first() -> None:
    own = fitted("mahalanobis")
    new = cloud(3, 3, 2, np.random.default_rng(3), "new/")
    (traced,) = own.trace(new)
    gaps = np.linalg.norm(own.known.x[None] - new.x[:, None], axis=2)
    assert traced.neighbours[:, 0].tolist() == gaps.argmin(axis=1).tolist()
    assert (np.diff(traced.distances, axis=1) >= 0).all()
    assert set(own.known.label[traced.neighbours].ravel()) == {"B_lips"}


def test_a_video_is_one_answer_that_does_not_count_its_frames_as_independent() -> None:
    rng = np.random.default_rng(0)
    excluded = frames_all_excluded = 0
    for seed in range(3):
        own = fitted("mahalanobis", seed)
        new = cloud(0, 150, 4, rng, "new/")
        videos = Videos()
        (traced,) = own.trace(new)
        videos.add(traced)
        found = list(videos.answers(own))
        assert [video.faces for video in found] == [4] * 150
        swap = own.families.index("swap")
        excluded += sum(not video.possible[swap] for video in found)
        frames_all_excluded += int((~traced.possible[:, swap]).reshape(150, 4).any(axis=1).sum())
    assert excluded / 450 <= 0.08
    assert frames_all_excluded > excluded  # the worst of several frames is not a test at the level


def test_pictures_are_no_videos() -> None:
    own = fitted("mahalanobis")
    picture = cloud(0, 1, 1, np.random.default_rng(0))
    (traced,) = own.trace(Features(np.array(["A/a.png"]), picture.label, picture.group, picture.x))
    videos = Videos()
    videos.add(traced)
    assert list(videos.answers(own)) == []


def test_a_family_called_like_an_answer_is_refused() -> None:
    for name in ("real", "unknown"):
        with pytest.raises(BadData, match=f"class called '{name}'"):
            plan_with_reals(MergePlan({"A_x": name}), ["A_real"])


def test_no_known_faces_are_refused() -> None:
    rows = known(np.random.default_rng(0), 2)
    with pytest.raises(BadData, match="no known faces"):
        FittedTracer(Registry.shipped().build("tracer", "max-softmax"), rows.take(np.arange(0)), rows, PLAN, 0.95, 0)


def test_groups_are_named_by_their_size_and_noise_is_in_none() -> None:
    x = np.array([[0.0], [9.0], [9.1], [9.2], [4.0]], np.float32)
    names, groups = group_unexplained(list("abcde"), x, lambda _: np.array([0, 1, 1, 1, -1]))
    assert names == ["new-2", "new-1", "new-1", "new-1", ""]
    assert [(group.name, group.faces, group.nearest) for group in groups] == [
        ("new-1", 3, ("c", "b", "d")),
        ("new-2", 1, ("a",)),
    ]
    assert group_unexplained([], x[:0], lambda _: np.zeros(0, int)) == ([], [])
