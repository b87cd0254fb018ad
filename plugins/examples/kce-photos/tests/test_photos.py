"""The world of photographs: what it contains, and what it does with bad input."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import PEOPLE, SMALL, save_vae
from kce_photos import Photos, forging, generators, packages
from kce_photos.files import read_png, write_png
from kce_photos.find import FoundFace, apart
from kce_photos.generators import generator_classes
from kce_photos.photos import split_evenly

import kce
from kce import KCEError, Remark, Sample

FEW = "bilateral+smile+morph+oidn"
Build = Callable[..., Photos]


def below(root: Path) -> dict[str, str]:
    """Path -> hash of every picture."""
    paths = (path for path in root.rglob("*") if path.suffix in (".png", ".jpg", ".mp4"))
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def samples(world: Photos) -> list[Sample]:
    return [item for item in world if isinstance(item, Sample)]


# What it contains.


def test_every_face_is_forged_by_every_method(world: Build) -> None:
    forged = world().forge()
    faces = [face for couple in forged.couples for pair in couple for face in pair]
    assert len(faces) == 12
    assert len(forged.methods) >= 13
    assert all(forged.path(method, face).is_file() for method in ("real", *forged.methods) for face in faces)


def test_it_is_read_as_real_datasets_are(world: Build) -> None:
    made = world(placement=1)
    found = samples(made)
    assert {sample.category for sample in found} == set(made.truth())
    assert set(Counter(sample.category for sample in found).values()) == {12}
    assert tomllib.loads((made.root / "truth.toml").read_text())["method"] == made.truth()
    assert {sample.dataset for sample in found} == {"FaceForensics++", "DeepFakeDetection", "CelebDFv2", "ForgeryNet"}


def test_people_cannot_tell_the_methods(world: Build) -> None:
    """The same people are behind every category of a dataset: what is known of the person says nothing."""
    made = world(placement=1)
    people: dict[str, Counter[str]] = {}
    for sample in samples(made):
        people.setdefault(sample.category, Counter())[sample.group] += 1
    by_dataset: dict[str, list[Counter[str]]] = {}
    for category, groups in people.items():
        by_dataset.setdefault(category.partition("_")[0], []).append(groups)
    assert all(len(groups) == 12 for groups in people.values())
    assert all(groups == own[0] for own in by_dataset.values() for groups in own)


@pytest.mark.parametrize("people", ["shared", "apart"])
def test_what_is_around_the_faces_cannot_tell_the_methods_of_a_dataset(world: Build, people: str) -> None:
    """A probe on what pictures show besides the face, tried on a face that it has not seen: no better than chance."""
    made = world(placement=1, people=people)
    forged, truth = made.forge(), made.truth()
    for dataset in ("FaceForensics++", "CelebDFv2", "ForgeryNet"):
        faces = [face for couple in made._couples(dataset) for pair in couple for face in pair]
        methods = [truth[name] for name in truth if name.startswith(dataset)]
        methods = [name for name in methods if name not in ("real", "gan-whole")]
        pictures = np.stack([[forged.read(method, face) for face in faces] for method in methods]).astype(float)
        x = np.concatenate([pictures[:, :, :8], pictures[:, :, -8:]], axis=2).reshape(len(methods), len(faces), -1)
        x /= 255
        right = 0.0
        for left_out in range(len(faces)):
            seen = np.delete(x, left_out, axis=1).reshape(-1, x.shape[-1])
            codes = np.repeat(np.arange(len(methods)), len(faces) - 1)
            means = np.stack([seen[codes == number].mean(axis=0) for number in range(len(methods))])
            distance = ((x[:, left_out, None] - means) ** 2).sum(axis=2)  # (method, guessed)
            best = np.isclose(distance, distance.min(axis=1, keepdims=True))
            right += (best / best.sum(axis=1, keepdims=True)).trace() / len(methods) / len(faces)
        assert right == pytest.approx(1 / len(methods))


def test_names_lie(world: Build) -> None:
    truths = [world(placement=placement, categories=18, methods="").truth() for placement in range(1, 5)]
    for truth in truths:
        fakes = {name: method for name, method in truth.items() if method != "real"}
        datasets = Counter((name.partition("_")[0], method) for name, method in fakes.items())
        assert max(datasets.values()) == 1
        assert len(set(fakes.values())) < len(fakes)
    assert any(truth["FaceForensics++_DeepFakes"] != truth["ForgeryNet_DeepFakes"] for truth in truths)
    assert len({tuple(truth.values()) for truth in truths}) == 4


def test_a_whole_picture_is_only_ever_unseen(world: Build) -> None:
    held_out = {
        "FaceForensics++_NeuralTextures",
        "ForgeryNet_SC-FEGAN",
        "ForgeryNet_StarGAN2",
        "ForgeryNet_DiscoFaceGAN",
    }
    for placement in range(1, 9):
        whole = [name for name, method in world(placement=placement).truth().items() if method == "gan-whole"]
        assert len(whole) == 1
        assert set(whole) <= held_out


def test_people_are_in_one_dataset_each_unless_they_are_shared(photographs: Path, forged: Path) -> None:
    """One picture in two datasets, forged alike, would be recognised by its content whatever was learned."""
    defaults = {name: value for name, value in SMALL.items() if name != "people"}
    made = Photos(photographs, made=str(forged), placement=1, **defaults)
    found = samples(made)
    assert Counter(sample.real for sample in found)[True] == 12
    assert made.images == 12 // 4
    of_dataset = {dataset: made.people(dataset) for dataset in {sample.dataset for sample in found}}
    assert Counter(person for people in of_dataset.values() for person in people) == dict.fromkeys(
        (f"{camera}/{person}" for camera, people in PEOPLE.items() for person in people), 1
    )
    per_category = Counter((sample.dataset, sample.category) for sample in found)
    for dataset, people in of_dataset.items():
        pictures = sum(PEOPLE[camera][person] for camera, _, person in (name.partition("/") for name in people))
        assert {count for (of, _), count in per_category.items() if of == dataset} == {pictures}


@pytest.mark.parametrize("seed", range(20))
def test_people_are_divided_by_how_many_pictures_they_have(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 9, random.integers(4, 30)).tolist()
    parts = split_evenly(sizes, 4)
    assert [number for start, end in parts for number in range(start, end)] == list(range(len(sizes)))
    assert all(start < end for start, end in parts)
    if len(sizes) > 4 * max(sizes):
        assert max(abs(sum(sizes[start:end]) - sum(sizes) / 4) for start, end in parts) <= max(sizes)


def test_people_of_one_picture_are_in_one_dataset() -> None:
    def face(file: str, number: int) -> FoundFace:
        return FoundFace(file, (0.0, 0.0, 9.0), "", f"/{file}#{number}", "")

    together = [[(face("party", 2 * number), face("party", 2 * number + 1))] for number in range(3)]
    alone = [[(face(f"a{number}", 0), face(f"b{number}", 0))] for number in range(3)]
    linked = [[(face("b0", 1), face("party", 7))]]  # b0 is in a picture with somebody who is at the party, too
    assert apart([alone[0], together[0], alone[1], together[1], alone[2], together[2]]) == [
        [alone[0]], together, [alone[1]], [alone[2]],
    ]  # fmt: skip
    assert apart([alone[0], together[0], alone[1], *linked]) == [[alone[0], together[0], *linked], [alone[1]]]


def test_too_few_people_to_be_apart_are_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="2 people are too few") as caught:
        Photos(copied, made=str(tmp_path), methods=FEW, **{**SMALL, "people": "apart", "categories": 4}).make()
    assert "people=shared" in caught.value.hint
    assert not (tmp_path / "pictures").exists(), "nothing is forged for nothing"


@pytest.mark.parametrize("kind", ["jpeg", "mixed"])
def test_datasets_are_stored_in_ways_of_their_own(world: Build, kind: str) -> None:
    plain, stored = world(placement=1), world(placement=1, kind=kind, amount=1.0)
    plain.make()
    stored.make()
    same, other = below(plain.root), below(stored.root)
    assert same.keys() == other.keys()
    changed = {name.split("/")[0] if "Further" not in name else "Further" for name in same if same[name] != other[name]}
    assert len(changed) >= 2
    assert plain.truth() == stored.truth()


# Making it.


def test_it_is_made_once_and_equal_seeds_make_equal_pictures(world: Build, copied: Path, tmp_path: Path) -> None:
    methods = "poisson-swap+bilateral+oidn+real-cugan+gan-donor"
    one, again, other = (
        Photos(copied, made=str(tmp_path / name), seed=seed, methods=methods, **{**SMALL, "categories": 4})
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    for made in (one, again, other):
        made.make()
    assert below(tmp_path / "one") == below(tmp_path / "again")
    seeded = {name: value for name, value in below(tmp_path / "other").items() if "bilateral" in name}
    assert not set(seeded.values()) & set(below(tmp_path / "one").values())


def forged_pictures(world: Photos) -> set[bytes]:
    """What its methods made."""
    forged = world.forge()
    faces = [face for couple in forged.couples for pair in couple for face in pair]
    return {forged.read(method, face).tobytes() for method in forged.methods for face in faces}


@pytest.mark.parametrize("change", [{"seed": 1}, {"side": 128}, {"pool": 13}, {"vae": "other"}, {"photograph": True}])
def test_what_other_parameters_made_in_the_same_folder_is_not_taken(
    copied: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    methods = {"pool": "gan-donor", "vae": "vae"}.get(next(iter(change)), "bilateral")
    parameters = {**SMALL, "categories": 4, "methods": f"{methods}+{FEW}", "made": str(tmp_path / "made")}
    for folder in ("vae", "other"):
        save_vae(tmp_path / folder, seed=len(folder))
    parameters["vae"] = str(tmp_path / "vae")
    before = Photos(copied, **parameters)
    first = forged_pictures(before)
    if change.pop("photograph", False):
        for path in (copied / "london").iterdir():
            write_png(path, np.asarray(read_png(path)[:, ::-1]))
    if "vae" in change:
        change["vae"] = str(tmp_path / "other")
    after = Photos(copied, **{**parameters, **change})
    assert forged_pictures(after) != first
    assert after.root.name != before.root.name
    fresh = Photos(copied, **{**parameters, **change, "made": str(tmp_path / "fresh")})
    assert forged_pictures(after) == forged_pictures(fresh)
    assert after.root.name == fresh.root.name
    assert Photos(copied, **{**parameters, **change}).forge().index == after.forge().index


def test_a_face_with_another_donor_is_forged_again(photographs: Path, copied: Path, tmp_path: Path) -> None:
    parameters = {**SMALL, "categories": 4, "methods": f"feathered-swap+{FEW}", "made": str(tmp_path / "made")}
    before = Photos(copied, **parameters).forge()
    for take in (0, 1):
        shutil.copy(photographs / "london" / f"cat_{take}.png", copied / "london" / f"anna_{take}.png")
        shutil.copy(photographs / "london" / f"dan_{take}.png", copied / "london" / f"dan_{take}.png")
    after = Photos(copied, **parameters).forge()
    (face,) = [one for couple in before.couples for pair in couple for one in pair if one.file == "london/ann_0.png"]
    assert before.path("real", face) == after.path("real", face)
    assert (before.read("feathered-swap", face) != after.read("feathered-swap", face)).any()


def test_a_method_whose_module_has_changed_is_forged_again(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {**SMALL, "categories": 4, "methods": FEW, "made": str(tmp_path / "made")}
    of, own = generators.hash_of, list(Path(generators.__file__).parent.glob("*.py"))
    module = tmp_path / "another.py"
    module.write_text("# as it was")
    monkeypatch.setattr(generators.inspect, "getfile", lambda kind: str(module if kind.__name__ == "Smile" else own[0]))
    first = Photos(copied, **parameters).forge()
    module.write_text("# repaired")
    second = Photos(copied, **parameters).forge()
    assert [name for name in first.identities if first.identities[name] != second.identities[name]] == ["smile"]
    monkeypatch.setattr(generators, "hash_of", lambda path: "changed" if path.stem == "face" else of(path))
    third = Photos(copied, **parameters).forge()  # what all methods use has changed
    assert not set(third.identities.values()) & set(second.identities.values())


def test_the_order_of_methods_decides_about_nothing(copied: Path, tmp_path: Path) -> None:
    parameters = {**SMALL, "categories": 4, "made": str(tmp_path / "made")}
    names = [*FEW.split("+"), "poisson-swap"]
    one = Photos(copied, methods="+".join(names), **parameters)
    one.make()
    other = Photos(copied, methods="+".join([*names[::-1], names[0]]), **parameters)
    other.make()
    assert one.root == other.root
    assert other.truth() == one.truth() == tomllib.loads((one.root / "truth.toml").read_text())["method"]


def test_what_was_interrupted_goes_on(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"methods": "feathered-swap+bilateral+oidn+smile", **SMALL, "categories": 4}
    whole = Photos(copied, made=str(tmp_path / "whole"), **parameters)
    whole.forge()
    written: list[Path] = []

    def interrupted(path: Path, image: np.ndarray) -> None:
        written.append(path)
        if len(written) > 5:
            raise KeyboardInterrupt
        write_png(path, image)

    with monkeypatch.context() as broken:
        broken.setattr(forging, "write_png", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Photos(copied, made=str(tmp_path / "part"), **parameters).forge()
    assert 0 < len(below(tmp_path / "part")) < len(below(tmp_path / "whole"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "part").rglob("*.png")}
    Photos(copied, made=str(tmp_path / "part"), **parameters).forge()
    assert below(tmp_path / "part") == below(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert not list((tmp_path / "part").rglob("*.part"))


def test_a_damaged_picture_is_made_again(copied: Path, tmp_path: Path) -> None:
    parameters = {"made": str(tmp_path / "made"), "methods": "bilateral+oidn+smile+morph", **SMALL, "categories": 4}
    forged = Photos(copied, **parameters).forge()
    before = below(tmp_path / "made")
    victim = forged.path("oidn", forged.couples[0][0][0])
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.raises(KCEError, match="damaged") as caught:
        Photos(copied, **parameters).make()
    assert str(forged.index) in caught.value.hint
    forged.index.unlink()
    Photos(copied, **parameters).make()
    assert {name: value for name, value in below(tmp_path / "made").items() if "pictures/" in name} == before


def test_a_full_disk_is_said(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(KCEError, match="No space left") as caught:
        Photos(copied, made=str(tmp_path / "made"), methods=FEW, **{**SMALL, "categories": 4}).forge()
    assert "made=" in caught.value.hint


# What is not there.


def test_a_package_of_another_version_leaves_its_methods_out(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {"methods": "bilateral+smile+morph+oidn+poisson-swap", **SMALL, "categories": 4}
    monkeypatch.setitem(packages.VERSIONS, "pyoidn", "9.9")
    made = Photos(copied, made=str(tmp_path), **parameters)
    remarks = [item for item in made if isinstance(item, Remark) and item.path == "methods/oidn"]
    assert len(remarks) == 1
    assert "not 9.9" in remarks[0].reason
    assert "pip install --no-deps pyoidn==9.9" in remarks[0].reason
    assert "oidn" not in made.truth().values()
    monkeypatch.undo()
    later = Photos(copied, made=str(tmp_path), **parameters)
    assert "oidn" in later.forge().methods  # it is there now, so the rest is forged
    assert later.root != made.root


def test_a_method_that_is_left_out_is_said_once(copied: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for placement in (0, 1):
        Photos(copied, vae=str(tmp_path), methods=f"{FEW}+poisson-swap+vae", placement=placement, **SMALL).truth()
    assert [record.message.split(":")[0] for record in caplog.records] == ["the method vae is left out"]


def test_too_few_methods_are_an_error_that_says_how_many_categories_there_may_be(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="18 categories need more methods than 2") as caught:
        Photos(copied, made=str(tmp_path), methods="bilateral+smile", side=96).make()
    assert "categories=" in caught.value.hint


def test_a_method_that_fails_on_a_face_drops_the_pair_everywhere(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = forging._forge
    victims: list[str] = []

    def failing(generator: object, face: object, donor: object, purpose: str) -> np.ndarray:
        if "/smile/" in purpose and len(victims) < 1:
            victims.append(purpose)
            raise ValueError("no teeth")
        return own(generator, face, donor, purpose)

    monkeypatch.setattr(forging, "_forge", failing)
    made = Photos(photographs, made=str(tmp_path), methods="smile+bilateral+morph+oidn", **{**SMALL, "categories": 4})
    found = list(made)
    counts = Counter(item.category for item in found if isinstance(item, Sample))
    assert set(counts.values()) == {10}
    assert "1 of 6 pairs of faces are dropped, because a method failed on them: smile 1" in caplog.text
    dropped = [item for item in found if isinstance(item, Remark) and "no teeth" in item.reason]
    assert len(dropped) == 2
    assert all("smile" in item.reason for item in dropped)


# Bad input.


@pytest.mark.parametrize(
    ("spoil", "message", "hint"),
    [
        ("missing", "there is no folder", "photographs"),
        ("empty", "there are no pictures", "photographs"),
        ("no faces", "no face in the 4 pictures", "no face was found"),
        ("small", "no face in the 4 pictures", "px"),
        ("one person", "show one person", "anna_1.jpg"),
        ("one of each camera", "show one person, or one for each camera", "anna_1.jpg"),
    ],
)
def test_what_cannot_be_used_is_said(copied: Path, tmp_path: Path, spoil: str, message: str, hint: str) -> None:
    root = copied / "london"
    for path in sorted(root.iterdir()):
        image = read_png(path)
        if spoil == "no faces":
            write_png(path, np.full_like(image, 120))
        elif spoil == "small":
            write_png(path, cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA))
        elif spoil == "empty" or (spoil.startswith("one") and path.name.startswith("bob")):
            path.unlink()
    if spoil == "one of each camera":
        write_png(copied / "canada" / "eve_0.png", read_png(root / "ann_0.png"))
    where = tmp_path / "nowhere" if spoil == "missing" else copied
    if spoil in ("missing", "empty"):
        with pytest.raises(KCEError, match=message):
            Photos(where, made=str(tmp_path / "made"), **SMALL).truth()
    with pytest.raises(KCEError, match=message) as caught:
        Photos(where, made=str(tmp_path / "made"), **SMALL).make()
    assert hint in caught.value.hint


def test_a_bad_picture_among_good_ones_is_counted(copied: Path, tmp_path: Path) -> None:
    (copied / "london" / "ann_2.png").write_bytes(b"not a picture")
    grey = cv2.cvtColor(read_png(copied / "london" / "bob_1.png"), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(copied / "london" / "bob_1.png"), grey)
    cv2.imwrite(str(copied / "london" / "cat_0.png"), np.zeros((60, 60, 3), np.uint8))
    made = Photos(copied, made=str(tmp_path / "made"), methods=FEW, **{**SMALL, "categories": 4})
    found = list(made)
    assert set(Counter(item.category for item in found if isinstance(item, Sample)).values()) == {4}
    reasons = {item.path: item.reason for item in found if isinstance(item, Remark)}
    assert reasons["london/cat_0.png"] == "no face was found"
    assert "london/ann_2.png" in reasons


def test_several_people_in_one_picture_are_people_of_their_own(copied: Path, tmp_path: Path) -> None:
    both = np.concatenate([read_png(copied / "london" / f"{name}_0.png") for name in ("ann", "bob")], axis=1)
    for path in (copied / "london").iterdir():
        path.unlink()
    write_png(copied / "pair.png", both)
    forged = Photos(copied, made=str(tmp_path), methods=FEW, **SMALL).forge()
    ((pair,),) = forged.couples
    assert [face.person for face in pair] == ["/pair#0", "/pair#1"]


def test_somebody_in_the_background_changes_nobody_s_name(copied: Path, tmp_path: Path) -> None:
    path = copied / "london" / "ann_1.png"
    front = read_png(path)
    behind = cv2.resize(read_png(copied / "london" / "bob_0.png"), (30, 30), interpolation=cv2.INTER_AREA)
    wide = np.concatenate([front, np.full_like(front, 120)], axis=1)
    wide[10:40, -50:-20] = behind
    write_png(path, wide)
    forged = Photos(copied, made=str(tmp_path / "made"), methods=FEW, **SMALL).forge()
    people = {face.person: face.file for couple in forged.couples for pair in couple for face in pair}
    assert set(people) == {"london/ann", "london/bob"}
    assert any(one.file == "london/ann_1.png" and "px" in one.reason for one in forged.left_out)


def test_a_folder_below_that_of_the_camera_says_who_it_is(copied: Path, tmp_path: Path) -> None:
    for path in sorted((copied / "london").iterdir()):
        person, _, take = path.stem.partition("_")
        (copied / "london" / person / take).mkdir(parents=True)
        path.rename(copied / "london" / person / take / "1.png")
    forged = Photos(copied, made=str(tmp_path / "made"), methods=FEW, **SMALL).forge()
    ((one, other),) = forged.couples
    assert {face.person for pair in (one, other) for face in pair} == {"london/ann", "london/bob"}


def test_folders_of_one_person_each_are_doubted(copied: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = sorted((copied / "london").iterdir())
    for path, other in zip(paths, [*paths[1:], paths[0]], strict=True):
        (copied / path.stem).mkdir()
        shutil.copy(path, copied / path.stem / "1.png")
        shutil.copy(other, copied / path.stem / "2.png")
    shutil.rmtree(copied / "london")
    Photos(copied, made=str(tmp_path / "made"), methods=FEW, **SMALL).forge()
    assert "4 folders are taken for cameras, with 8 people in all" in caplog.text


def test_a_failed_placement_is_not_forgotten(copied: Path, tmp_path: Path) -> None:
    Photos(copied, made=str(tmp_path / "made"), methods=FEW, **SMALL).forge()
    apart = Photos(copied, made=str(tmp_path / "made"), methods=FEW, **{**SMALL, "people": "apart"})
    for _ in range(2):
        with pytest.raises(KCEError, match="too few to be in 4 datasets"):
            apart.forge()


def test_what_is_made_is_not_among_the_photographs(copied: Path) -> None:
    with pytest.raises(KCEError, match="in the folder of the photographs"):
        Photos(copied, made=str(copied / "made"))


def test_a_method_that_cannot_be_prepared_is_named(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object) -> None:
        raise ValueError("no such model")

    monkeypatch.setattr(generator_classes()["smile"].load(), "prepare", broken)
    with pytest.raises(KCEError, match="smile cannot be prepared: ValueError: no such model") as caught:
        Photos(copied, made=str(tmp_path), methods=FEW, **SMALL).forge()
    assert "methods=" in caught.value.hint


@pytest.mark.parametrize("name", ["real", "../up", "a+b", ""])
def test_a_name_that_no_method_can_have_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    point = generators.metadata.EntryPoint(name, "mine:Mine", generators.GROUP)
    monkeypatch.setattr(generators.metadata, "entry_points", lambda **_: [point])
    with pytest.raises(KCEError, match="mine:Mine: a generator cannot be called"):
        generator_classes()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("seed", -1), ("categories", 3), ("faces", 1), ("faces", 999), ("side", 100), ("side", 32), ("pool", 1),
        ("people", "mixed"), ("kind", "jpeg"), ("amount", 0.5), ("placement", 1.5),
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused(copied: Path, parameter: str, value: object) -> None:
    with pytest.raises(KCEError) as caught:
        Photos(copied, **{parameter: value})
    assert caught.value.hint


def test_a_method_that_does_not_exist_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="there is no method grin") as caught:
        Photos(copied, made=str(tmp_path), methods="grin", **SMALL).forge()
    assert "smile" in caught.value.hint


def test_it_is_a_dataset_by_name(copied: Path, tmp_path: Path) -> None:
    found = kce.scan(
        f"photos:made={tmp_path},methods={FEW},side=96,categories=4,people=shared", root=copied, progress=False
    )
    assert found.by_category["ForgeryNet_real"] == 4


@pytest.mark.parametrize(
    ("recipe", "trainings"),
    [("photographs", ["paper", "paired", "untrained"]), ("further", ["tiny", "tiny-features", "residual-paper"])],
)
def test_the_recipes_of_the_benchmark_are_recipes(
    photographs: Path, forged: Path, tmp_path: Path, recipe: str, trainings: list[str]
) -> None:
    """Their categories are those of the world, their networks can be built, and their trainings exist."""
    world = f"photos:root={photographs},made={forged},side=96,pool=12,people=shared"
    tried = kce.bench.aligners(
        to=tmp_path / "bench",
        recipe=Path(__file__).parents[1] / f"{recipe}.toml",
        world=world,
        kind="jpeg",
        amount=1.0,
        worlds=1,
        nets=1,
        training=trainings,
        dry_run=True,
    )
    assert {cell["setting"]["training"] for cell in tried.cells} == set(trainings)
