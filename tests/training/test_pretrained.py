"""Weights of every lineage of Xception, planted under their own names and shapes, give timm's own features."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kce import BadData, load_weights, read_weights
from kce.registry.registry import Registry
from kce.training.weights import write_weights_file

State = dict[str, Any]
REGISTRY = Registry.load(Path("/"))


@cache
def source() -> nn.Module:
    """timm's Xception with a head of 1000 classes and statistics that no fresh network has."""
    torch.manual_seed(0)
    network = timm.create_model("legacy_xception").eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.num_batches_tracked.fill_(7)
    return network


def trunk() -> State:
    return {name: value for name, value in source().state_dict().items() if not name.startswith("fc.")}


def head(prefix: str, classes: int) -> State:
    return {f"{prefix}.weight": torch.rand(classes, 2048), f"{prefix}.bias": torch.rand(classes)}


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def cadene() -> State:
    """As torch 0.3 saved it: matrices for pointwise convolutions, no counts of batches."""
    old = {name: value for name, value in trunk().items() if not name.endswith("num_batches_tracked")}
    return {n: v[:, :, 0, 0].clone() if n.endswith("pointwise.weight") else v for n, v in old.items()}


def deepfakebench() -> State:
    """Its networks/xception.py: a 1 x 1 convolution 2048 -> 512 with its normalisation lies beside the trunk."""
    extra = nn.Sequential(nn.Conv2d(2048, 512, 1, 1), nn.BatchNorm2d(512), nn.ReLU()).state_dict()
    return under("backbone.", {**trunk(), **head("last_linear", 2), **under("adjust_channel.", extra)})


LINEAGES: dict[str, Callable[[], Any]] = {
    "timm": lambda: {**trunk(), **head("fc", 1000)},
    "cadene, last_linear": lambda: {**cadene(), **head("last_linear", 1000)},
    "cadene, fc": lambda: {**cadene(), **head("fc", 1000)},
    "deepfakebench": deepfakebench,
    "deepfakebench on several devices": lambda: under("module.", deepfakebench()),
    "faceforensics": lambda: under("model.", {**trunk(), **head("last_linear.1", 2)}),
    "kce": lambda: {**under("backbone.net.", trunk()), **head("head", 5)},
    "a trainer's": lambda: {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": under("model.", trunk())},
    "containers in containers": lambda: {"model": {"net": under("module.net.", trunk())}},
}


@pytest.mark.parametrize("lineage", LINEAGES)
def test_every_lineage_of_xception_gives_timms_features(tmp_path: Path, lineage: str) -> None:
    torch.save(LINEAGES[lineage](), tmp_path / "w.pth", _use_new_zipfile_serialization="cadene" not in lineage)
    network = REGISTRY.build("backbone", f"xception:size=96,weights={tmp_path / 'w.pth'}").eval()
    same_features(network, 96)
    torch.testing.assert_close(network.net.block7.rep[2].running_var, source().block7.rep[2].running_var)


def test_a_file_of_ours_starts_another_network_at_full_size(tmp_path: Path) -> None:
    write_weights_file(tmp_path / "first.safetensors", LINEAGES["kce"](), {"provenance": {}})
    same_features(REGISTRY.build("backbone", f"xception:weights={tmp_path / 'first.safetensors'}").eval(), 299)


def same_features(network: nn.Module, size: int) -> None:
    faces = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = source().forward_features((faces - 0.5) / 0.5).relu().mean((2, 3))
        assert expected.std() > 1e-2
        torch.testing.assert_close(network(faces), expected, rtol=1e-5, atol=1e-5)


SMALL = {"conv.weight": torch.rand(4, 3, 3, 3), "sep.pointwise.weight": torch.rand(8, 4), "fc.weight": torch.rand(2, 8)}


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.sep = nn.ModuleDict({"pointwise": nn.Conv2d(4, 8, 1, bias=False)})


@pytest.mark.parametrize("wrapper", ["", "module.", "backbone.net.", "module.model.module."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_names_are_bare_and_pointwise_weights_have_four_axes(tmp_path: Path, wrapper: str, suffix: str) -> None:
    file = tmp_path / f"w{suffix}"
    (torch.save if suffix == ".pth" else save_file)(under(wrapper, SMALL), file)
    result = read_weights(str(file))
    assert set(result) == set(SMALL)
    assert result["sep.pointwise.weight"].shape == (8, 4, 1, 1)
    torch.testing.assert_close(result["conv.weight"], SMALL["conv.weight"])


def test_a_wrapper_that_only_some_names_have_is_no_wrapper(tmp_path: Path) -> None:
    state = {"net.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(state, tmp_path / "w.pth")
    assert set(read_weights(tmp_path / "w.pth")) == set(state)


def test_a_wrapped_network_takes_weights_without_the_prefix() -> None:
    network = nn.ModuleDict({"net": Small()})
    load_weights(network, {**SMALL, "sep.pointwise.weight": SMALL["sep.pointwise.weight"][:, :, None, None]})
    torch.testing.assert_close(network["net"].conv.weight.data, SMALL["conv.weight"])


def test_weights_that_do_not_fit_are_reported_by_name_and_change_nothing() -> None:
    network = Small()
    before = network.conv.weight.detach().clone()
    wrong: dict[str, Tensor] = {"conv.weight": torch.zeros(4, 3, 3, 3), "other.weight": torch.zeros(1)}
    with pytest.raises(BadData, match=r"missing sep\.pointwise\.weight; unexpected other\.weight; .*shape none"):
        load_weights(network, wrong)
    with pytest.raises(BadData, match=r"shape conv\.weight \(4, 12, 3, 3\), not \(4, 3, 3, 3\)"):
        load_weights(
            network, {"conv.weight": torch.zeros(4, 12, 3, 3), "sep.pointwise.weight": torch.zeros(8, 4, 1, 1)}
        )
    assert torch.equal(network.conv.weight, before)


def test_a_file_of_another_network_names_three_and_counts_the_rest(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        BadData, match=r"missing .* and \d+ more; unexpected layer1\.0\.conv1\.weight, .* more"
    ) as error:
        REGISTRY.build("backbone", f"xception:size=96,weights={tmp_path / 'w.pth'}")
    assert "conv1.weight (64, 3, 7, 7), not (32, 3, 3, 3)" in error.value.message
    assert error.value.hint


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[()]]:
        return (Path("hacked").touch, ())


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_of_a_file_runs(at: Path, zipped: bool) -> None:
    torch.save({"state_dict": {**SMALL, "x": Hostile()}}, at / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadData, match="KCE runs no code from a file") as error:
        read_weights(at / "w.pth")
    assert "trust" not in str(error.value)
    assert not (at / "hacked").exists()


def test_a_whole_network_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    torch.save(Small(), tmp_path / "w.pth")
    with pytest.raises(BadData, match=r"holds tests\.training\.test_pretrained\.Small") as error:
        read_weights(tmp_path / "w.pth")
    assert "state_dict()" in error.value.hint


@pytest.mark.parametrize("save", [torch.save, save_file], ids=["pth", "safetensors"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_cut_file_is_refused_wherever_it_was_cut(tmp_path: Path, save: Callable[..., None], share: float) -> None:
    file = tmp_path / f"w{'.pth' if save is torch.save else '.safetensors'}"
    save(SMALL, file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(BadData, match="not a file of plain weights") as error:
        read_weights(file)
    assert error.value.hint


def test_a_compressed_file_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as plain,
        zipfile.ZipFile(tmp_path / "z.pth", "w", zipfile.ZIP_DEFLATED) as z,
    ):
        for entry in plain.namelist():
            z.writestr(entry, plain.read(entry))
    with pytest.raises(BadData, match="compressed"):
        read_weights(tmp_path / "z.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        (torch.zeros(3), "holds a Tensor"),
        ({}, "no weights"),
        ({"epoch": 3}, "it holds epoch"),
        ({"state_dict": {}}, "no weights"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "plain numbers"),
        ({"a": torch.eye(3).to_sparse()}, "plain"),
        ({"a": torch.zeros(3, device="meta")}, "plain numbers"),
    ],
)
def test_what_is_no_weights_by_name_is_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(BadData, match=message):
        read_weights(tmp_path / "w.pth")


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "w.pth", tmp_path):
        with pytest.raises(BadData, match="no weights file"):
            read_weights(path)
