"""Face folders of worlds: any synthetic dataset makes them, and what the spec sets is not overridden."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.bench.drawn_faces import build_world, make_face_folder, read_methods, store_face_folder
from kce.errors import KCEError, Refused
from kce.faces.folder import read_faces
from kce.pipeline.world_recipe import CutChoices, write_truth
from kce.registry.registry import Registry
from tests.support.portraits import portraits_plugin


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    portraits_plugin(tmp_path)
    return Registry.load(tmp_path)


def test_without_a_root_every_number_is_a_world_of_its_own(tmp_path: Path) -> None:
    world = build_world("world:categories=6", Registry.load("/"), 3, tmp_path / "3" / "world")
    assert world._parameters["seed"] == world._parameters["placement"] == 3
    assert world.root == tmp_path / "3" / "world"
    fixed = build_world("world:categories=6,seed=8,placement=9", Registry.load("/"), 3, tmp_path)
    assert (fixed._parameters["seed"], fixed._parameters["placement"]) == (8, 9)


@pytest.mark.parametrize("at", ["spec", "registry"])
def test_with_a_root_the_number_is_the_placement_alone(tmp_path: Path, registry: Registry, at: str) -> None:
    pictures = (tmp_path / "pictures").as_posix()
    spec = f"portraits:root={pictures},seed=5" if at == "spec" else "portraits:seed=5"
    if at == "registry":
        text = f'[dataset.portraits]\nuse = "portraits:portraits"\nroot = "{pictures}"\n'
        (tmp_path / "registry.toml").write_text(text, encoding="utf-8")
    found = build_world(spec, Registry.load(tmp_path), 2, tmp_path / "2" / "world")
    assert (found.root, found.placement, found.seed) == (tmp_path / "pictures", 2, 5)
    assert build_world(f"{spec},placement=7", Registry.load(tmp_path), 2, tmp_path).placement == 7


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nameless:root=pictures", "cannot be a world: it takes no placement"),
        ("untrue", r"cannot be a world: it has no method truth\(\)"),
        ("untrue-too", r"cannot be a world: it has no method truth\(\)"),
        ("portraits:root=nowhere", "no folder of photographs"),
    ],
)
def test_what_is_no_world_is_an_error(tmp_path: Path, registry: Registry, spec: str, words: str) -> None:
    with pytest.raises(KCEError, match=words) as raised:
        build_world(spec, registry, 1, tmp_path / "1" / "world")
    assert raised.value.hint
    assert not (tmp_path / "1").exists()


def test_the_truth_of_each_placement_is_beside_its_faces(tmp_path: Path, registry: Registry) -> None:
    spec, folder = f"portraits:root={(tmp_path / 'pictures').as_posix()},images=4", tmp_path / "worlds"
    choices = CutChoices("whole", 1)
    for number in (1, 2):
        make_face_folder(folder, number, spec, choices, registry)
    assert [path.name for path in (tmp_path / "pictures").glob("[!.]*")] == ["made"]
    first, second = (read_methods(folder, number) for number in (1, 2))
    assert first.keys() == second.keys() == set(read_faces(folder / "1" / "faces").category.counts())
    assert first != second
    assert {name for name in first if first[name] == "real"} == {name for name in first if name.endswith("_real")}
    assert not (folder / "1" / "world").exists()
    store_face_folder(folder, 1, "jpeg", 1.0)
    stored = read_faces(folder / "1" / "jpeg-1")
    assert stored.key[:].tolist() == read_faces(folder / "1" / "faces").key[:].tolist()
    assert len(set(stored.hash.tolist()) - set(read_faces(folder / "1" / "faces").hash.tolist())) > 0


def test_faces_of_another_truth_in_its_folder_are_refused(tmp_path: Path, registry: Registry) -> None:
    spec, folder = f"portraits:root={(tmp_path / 'pictures').as_posix()},images=4", tmp_path / "worlds"
    make_face_folder(folder, 1, spec, CutChoices("whole", 1), registry)
    before = read_methods(folder, 1)
    with pytest.raises(Refused):
        make_face_folder(folder, 1, f"{spec},placement=7", CutChoices("whole", 1), registry)
    assert read_methods(folder, 1) == before
    write_truth(tmp_path / "truth.toml", before)
    with pytest.raises(Refused, match="was made of another world") as refused:
        write_truth(tmp_path / "truth.toml", {name: f"{method}!" for name, method in before.items()})
    assert refused.value.hint
