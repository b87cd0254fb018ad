from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from kce.errors import BadData, KCEError
from kce.registry.registry import Registry

REGISTRY = Registry.load(Path("/"))


@pytest.mark.parametrize(
    ("spec", "size", "dim"),
    [
        ("xception", 299, 2048),
        ("resnet18:size=64", 64, 512),
        ("resnet34:size=64", 64, 512),
        ("resnet50:size=64", 64, 2048),
        ("timm:model=mobilenetv3_small_050,size=64", 64, 1024),
        ("tiny", 64, 128),
        ("tiny:size=32,width=4", 32, 32),
    ],
)
def test_faces_in_pooled_features_out(spec: str, size: int, dim: int) -> None:
    network = REGISTRY.build("backbone", spec).eval()
    assert (network.size, network.dim) == (size, dim)
    faces = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network(faces)
        assert features.shape == (2, dim)
        # In evaluation a face's features do not depend on its neighbours.
        np.testing.assert_allclose(network(faces[:1])[0], features[0], rtol=1e-3, atol=1e-5)


def test_features_are_what_timm_computes_after_its_own_normalisation() -> None:
    network = REGISTRY.build("backbone", "resnet18:size=64").eval()
    reference = timm.create_model("resnet18", num_classes=0).eval()
    reference.load_state_dict(network.net.state_dict())
    faces = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        torch.testing.assert_close(network(faces), reference((faces - mean) / std))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.net."])
def test_local_weights_are_loaded_whatever_wraps_them(tmp_path: Path, suffix: str, prefix: str) -> None:
    source = timm.create_model("resnet18", num_classes=2)
    state = {prefix + name: value.contiguous() for name, value in source.state_dict().items()}
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, file)
    else:
        save_file(state, file)
    network = REGISTRY.build("backbone", f"resnet18:size=64,weights={file}")
    torch.testing.assert_close(network.net.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path("hacked").touch, ())  # type: ignore[return-value]


def test_a_file_never_runs_code(at: Path) -> None:
    (at / "w.pth").write_bytes(pickle.dumps({"state_dict": Hostile()}))
    with pytest.raises(BadData):
        REGISTRY.build("backbone", f"resnet18:weights={at / 'w.pth'}")
    assert not (at / "hacked").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no weights file"), (b"", "not a file of plain weights"), (b"text", "not a file of plain weights")],
)
def test_a_file_that_is_no_weights_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(BadData, match=message):
        REGISTRY.build("backbone", f"resnet18:weights={tmp_path / 'w.pth'}")


def test_weights_of_another_network_are_refused_by_their_first_keys(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "w.pth")
    with pytest.raises(BadData, match=r"unexpected layer1\.2\.conv1\.weight"):
        REGISTRY.build("backbone", f"resnet18:weights={tmp_path / 'w.pth'}")
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(BadData, match="holds a list"):
        REGISTRY.build("backbone", f"resnet18:weights={tmp_path / 'w.pth'}")


@pytest.mark.parametrize("spec", ["timm:model=resnet", "resnet18:size=8", "tiny:size=3", "tiny:width=0"])
def test_what_cannot_be_built_says_what_could(spec: str) -> None:
    with pytest.raises(KCEError) as error:
        REGISTRY.build("backbone", spec)
    assert error.value.hint


def test_pretrained_weights_that_cannot_be_fetched_say_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(KCEError, match="cannot be downloaded") as error:
        REGISTRY.build("backbone", "resnet18:weights=pretrained")
    assert "weights=" in error.value.hint
    assert "downloading the pretrained weights of resnet18" in capsys.readouterr().err


def test_pretrained_weights_that_nobody_published_are_not_random_numbers() -> None:
    unpublished = next(name for name in timm.list_models() if not timm.get_pretrained_cfg(name).has_weights)
    with pytest.raises(KCEError, match="are published"):
        REGISTRY.build("backbone", f"timm:model={unpublished},weights=pretrained")


@pytest.mark.parametrize("size", [96, 299])
def test_xception_sees_the_whole_face_and_gives_what_comes_after_the_last_relu(size: int) -> None:
    network = REGISTRY.build("backbone", f"xception:size={size}").eval()
    reference = timm.create_model("legacy_xception").eval()
    reference.load_state_dict(network.net.state_dict(), strict=False)
    faces = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    framed = faces.clone()
    framed[..., : size // 20] = 0  # the margin that timm's centre crop to 0.8975 would cut away
    with torch.inference_mode():
        features = network(faces)
        expected = reference.forward_features((faces - 0.5) / 0.5).relu().mean((2, 3))
        torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(network(framed), features)
    assert features.min() >= 0
