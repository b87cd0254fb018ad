"""In which precision networks run: decided by the machine or the user, recorded, and never mixed."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning_fabric
import numpy as np
import pytest
import torch

from kce.errors import KCEError, Refused, UnknownName
from kce.features.extract import extract_features
from kce.features.table import find_table, open_table
from kce.study.cost import measure_backbone
from kce.training import device
from kce.training.device import check_precision, make_fabric, resolve_precision
from kce.training.settings import TrainSettings
from kce.training.steps import training_step
from kce.training.sync_batchnorm import CPUSyncBatchNorm
from kce.training.train import build_classifier, train
from kce.training.weights import file_sha256, read_weights_file
from tests.support.interrupts import interrupt_at
from tests.support.training import PLAN, REGISTRY, TINY

if TYPE_CHECKING:
    from kce.faces.loader import Pixels

IN_BF16 = TrainSettings(epochs=1, batch_size=40, lr=0.01, held_out=0.0, save_every=1e6, precision="bf16")


@pytest.fixture(scope="module")
def trained(pixels: Pixels, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Precision that was asked for -> weights."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {asked: folder / asked / "a.safetensors" for asked in ("auto", "32", "bf16")}
    for asked, path in paths.items():
        path.parent.mkdir()
        train(TINY, pixels, PLAN, replace(IN_BF16, precision=asked), REGISTRY, path)  # type: ignore[arg-type]
    return paths


def with_gpu(monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
    """A machine with two GPUs, as far as the choice of hardware can see."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16 or including_emulation)


# ------------------------------------------------------------------------------------------------- what is chosen


@pytest.mark.parametrize(("gpu", "used"), [(None, "32"), (True, "bf16"), (False, "16")])
def test_auto_is_32_on_the_cpu_and_on_a_gpu_what_it_is_made_for(
    monkeypatch: pytest.MonkeyPatch, gpu: bool | None, used: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if gpu is not None:
        with_gpu(monkeypatch, bf16=gpu)
    assert resolve_precision("auto") == used
    for asked in ("32", "bf16", "16"):
        assert resolve_precision(asked) == asked  # type: ignore[arg-type]
    if gpu is not None:
        assert resolve_precision("fast") == used
    with pytest.raises(UnknownName, match="no precision named 'fp8'"):
        resolve_precision("fp8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instructions", "used"),
    [({}, "32"), ({"avx2": True, "avx512_bf16": False}, "32"), ({"avx512_bf16": True}, "bf16")],
)
def test_fast_is_bf16_on_a_cpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch, instructions: dict[str, bool], used: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    assert resolve_precision("fast") == used
    assert resolve_precision("auto") == "32"


def test_where_no_driver_is_torch_finds_no_gpu_either() -> None:
    assert device._has_gpu_driver() or not torch.cuda.is_available()


@pytest.mark.parametrize(("precision", "given"), [("32", "32-true"), ("bf16", "bf16-mixed"), ("16", "16-mixed")])
def test_a_gpu_is_asked_for_that_precision(monkeypatch: pytest.MonkeyPatch, precision: str, given: str) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(lightning_fabric, "Fabric", lambda **choices: asked.update(choices))
    with_gpu(monkeypatch, bf16=True)
    make_fabric(precision, devices=2)
    assert asked == {"accelerator": "cuda", "devices": 2, "strategy": "ddp_spawn", "precision": given}
    with pytest.raises(KCEError, match="3 devices asked for, but there are 2 GPUs"):
        make_fabric(precision, devices=3)


def test_16_without_a_gpu_is_refused_and_trains_nothing(
    pixels: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for attempt in (
        lambda: check_precision("16"),
        lambda: make_fabric("16"),
        lambda: train(TINY, pixels, PLAN, replace(IN_BF16, precision="16"), REGISTRY, tmp_path / "a.safetensors"),
        lambda: measure_backbone(TINY, "16", REGISTRY),
    ):
        with pytest.raises(KCEError, match="needs a CUDA GPU, and this machine has none") as error:
            attempt()
        assert "bf16" in error.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("instructions", [{}, {"avx2": True, "avx512_bf16": False}, {"amx_bf16": True}])
def test_bf16_that_is_emulated_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, instructions: dict[str, bool]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    with caplog.at_level(logging.WARNING, "kce"):
        check_precision("32")
        assert not caplog.records
        check_precision("bf16")
    assert ("is emulated" in caplog.text) is (instructions != {"amx_bf16": True})


# ------------------------------------------------------------------------------------------------- training


def test_auto_and_what_it_comes_to_make_the_same_file(trained: dict[str, Path]) -> None:
    assert file_sha256(trained["auto"]) == file_sha256(trained["32"])


def test_the_weights_say_in_what_they_were_trained_and_are_float32_themselves(trained: dict[str, Path]) -> None:
    weights = {}
    for asked, used in (("auto", "32"), ("32", "32"), ("bf16", "bf16")):
        weights[asked], metadata = read_weights_file(trained[asked])
        assert metadata["provenance"]["precision"] == used
        assert np.isfinite(metadata["history"][-1]["loss"])
        assert all(value.dtype in (torch.float32, torch.int64) for value in weights[asked].values())
    moved = sum(float((weights["bf16"][name] - weights["32"][name]).abs().sum()) for name in weights["32"])
    assert moved > 0  # it did compute in something else


def test_weights_of_another_precision_are_refused_and_not_reused(
    trained: dict[str, Path], pixels: Pixels, tmp_path: Path
) -> None:
    before = file_sha256(trained["bf16"])
    with pytest.raises(Refused, match="precision: was 'bf16', now '32'"):
        train(TINY, pixels, PLAN, replace(IN_BF16, precision="auto"), REGISTRY, trained["bf16"])
    assert file_sha256(trained["bf16"]) == before
    to = tmp_path / "b.safetensors"
    train(TINY, pixels, PLAN, replace(IN_BF16, precision="32"), REGISTRY, to, [trained["bf16"].parent])
    assert file_sha256(to) == file_sha256(trained["32"])


def test_a_training_in_bf16_that_was_interrupted_ends_with_the_same_weights(
    trained: dict[str, Path], pixels: Pixels, tmp_path: Path
) -> None:
    to = tmp_path / "a.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(TINY, pixels, PLAN, IN_BF16, REGISTRY, to, progress=interrupt_at(2))
    assert not to.exists()
    train(TINY, pixels, PLAN, IN_BF16, REGISTRY, to)
    assert file_sha256(to) == file_sha256(trained["bf16"])


@pytest.mark.parametrize(
    "spec",
    [
        "f3net-tiny",
        pytest.param("resnet18:size=32", marks=pytest.mark.slow),
        pytest.param("f3net:size=64", marks=pytest.mark.slow),
        pytest.param("xception:size=64", marks=pytest.mark.slow),
    ],
)
def test_backbones_train_in_bf16_with_a_finite_loss(spec: str) -> None:
    torch.manual_seed(0)
    fabric, backbone = make_fabric("bf16"), REGISTRY.build("backbone", spec)
    network = build_classifier(backbone, 2)
    model, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters(), lr=1e-4))
    images = np.random.default_rng(0).integers(0, 256, (2, backbone.size, backbone.size, 3), dtype=np.uint8)
    targets = np.array([0, 1])
    losses = [float(training_step(fabric, model, optimizer, images, targets, 2)[0]) for _ in range(2)]
    assert np.isfinite(losses).all()
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    with torch.inference_mode(), fabric.autocast():
        assert network.eval()(torch.zeros(1, 3, backbone.size, backbone.size)).isfinite().all()


def test_the_statistics_of_batches_over_processes_are_summed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one process the sum is its own: batch normalisation as torch's, for maps that autocast gave in bf16."""
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda _: None)
    ours, theirs = CPUSyncBatchNorm(3), torch.nn.BatchNorm2d(3)
    maps = (50 + torch.randn(8, 3, 9, 9)).bfloat16()
    out = ours(maps)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), theirs(maps.float()), rtol=0.01, atol=0.02)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.slow
def test_two_processes_in_bf16_train_what_one_does(trained: dict[str, Path], pixels: Pixels, tmp_path: Path) -> None:
    to = tmp_path / "a.safetensors"
    about = train(TINY, pixels, PLAN, IN_BF16, REGISTRY, to, devices=2)
    one = read_weights_file(trained["bf16"])[1]
    assert about["provenance"] == one["provenance"]
    assert about["history"][-1]["loss"] == pytest.approx(one["history"][-1]["loss"], rel=0.02)


# ------------------------------------------------------------------------------------------------- features


def test_rows_made_in_bf16_are_float32_close_to_those_of_32_and_say_so(
    trained: dict[str, Path], pixels: Pixels, tmp_path: Path
) -> None:
    for precision in ("32", "bf16"):
        extract_features(pixels, trained["32"], REGISTRY, tmp_path / precision, "known", precision=precision)  # type: ignore[arg-type]
        table = find_table(tmp_path / precision, "known")
        assert table is not None
        assert table.provenance["precision"] == precision
    exact, rounded = (open_table(tmp_path / name, "known").read_all().x for name in ("32", "bf16"))
    assert exact.dtype == rounded.dtype == np.float32
    assert 0 < np.linalg.norm(rounded - exact) < 0.05 * np.linalg.norm(exact)


def test_rows_of_two_precisions_never_share_a_table(trained: dict[str, Path], pixels: Pixels, tmp_path: Path) -> None:
    def stop(_: str, done: int, __: int | None) -> None:
        if done >= 64:
            raise KeyboardInterrupt

    to = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        extract_features(pixels, trained["32"], REGISTRY, to, "known", precision="bf16", progress=stop)
    with pytest.raises(Refused, match="precision: was 'bf16', now '32'"):
        extract_features(pixels, trained["32"], REGISTRY, to, "known")
    extract_features(pixels, trained["32"], REGISTRY, to, "known", precision="bf16")
    assert len(open_table(to, "known").read_all()) == len(pixels.faces)
