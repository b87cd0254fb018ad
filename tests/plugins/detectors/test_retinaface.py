"""The package's own network with random weights, exported to ONNX here, through the real loading code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from kce import Box, KCEError, Registry
from kce.testing.base import Subject
from kce.types import Detector
from tests.conftest import REPOSITORY
from tests.support.conformance import failed_checks


def export(path: Path) -> None:
    """Random weights; only the coarsest head may fire, since thousands of boxes would take the test minutes."""
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    import torch
    from retinaface.model.retinaface_pth_model import RetinaFace
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    # This step serves user-defined functions, of which there are none, and wants the package onnx.
    onnx_proto_utils._add_onnxscript_fn = lambda model, opsets: model
    torch.manual_seed(0)
    network = RetinaFace().eval()
    with torch.no_grad():
        for head in (network.face_rpn_stride16, network.face_rpn_stride8):
            head.cls_score.weight.zero_()
            head.cls_score.bias.copy_(torch.tensor([9.0, 9.0, -9.0, -9.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 64, 96, 3),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=[f"out{i}" for i in range(9)],
            dynamic_axes={"x": {1: "height", 2: "width"}},
        )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made in another process, since the exporter changes global settings for good."""
    path = tmp_path_factory.mktemp("weights") / "random.onnx"
    code = f"from pathlib import Path; from {__name__} import export; export(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.slow
def test_it_passes_the_checks_of_a_detector(weights: Path) -> None:
    assert failed_checks(Subject.create("detector", "retinaface", {"weights": str(weights)})) == {}


def build(weights: Path | str, **parameters: float) -> Detector:
    detector = Registry.load("/").build("detector", "retinaface", weights=str(weights), **parameters)
    assert isinstance(detector, Detector)
    return detector


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_boxes_are_in_the_picture_at_its_own_scale(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    detector = build(weights, threshold=0.3, long_side=256)
    for height, width in ((256, 192), (1024, 768), (90, 130), (7, 300)):
        boxes = detector.detect(picture(height, width))
        assert boxes
        for box in boxes:
            assert isinstance(box, Box)
            assert type(box.left) is type(box.score) is float
            assert 0 <= box.left < box.right <= width + 1e-6
            assert 0 <= box.top < box.bottom <= height + 1e-6
            assert 0.3 <= box.score <= 1
    assert capfd.readouterr() == ("", "")


def test_the_threshold_is_a_bound(weights: Path) -> None:
    assert build(weights, threshold=1.0).detect(picture(128, 128)) == []


def test_the_network_gets_the_input_that_the_package_documents(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels 0 to 255, (1, height, width, 3), red first, never enlarged."""
    detector = build(weights)
    seen = []
    network = detector._model  # type: ignore[attr-defined]

    def spy(x: np.ndarray) -> list[np.ndarray]:
        seen.append(x)
        return network(x)

    monkeypatch.setattr(detector, "_model", spy)
    image = np.empty((64, 96, 3), np.uint8)
    image[:] = (250, 20, 60)
    detector.detect(image)
    assert (seen[0].shape, seen[0].dtype) == ((1, 64, 96, 3), np.float32)
    assert seen[0][0, 0, 0].tolist() == [250, 20, 60]
    detector.detect(np.zeros((2048, 512, 3), np.uint8))
    assert seen[1].shape == (1, 1024, 256, 3)


def test_the_cache_of_the_package_is_found(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / ".deepface" / "weights"
    cache.mkdir(parents=True)
    shutil.copy(weights, cache / "retinaface.onnx")
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    assert Registry.load("/").build("detector", "retinaface:threshold=0.3").detect(picture(64, 64))


def test_without_the_file_nothing_is_fetched_and_the_hint_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    with pytest.raises(KCEError) as raised:
        Registry.load("/").build("detector", "retinaface")
    assert str(tmp_path / ".deepface" / "weights" / "retinaface.onnx") in raised.value.message
    assert "retinaface.onnx" in raised.value.hint
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KCEError, match=r"nowhere\.onnx"):
        build(tmp_path / "nowhere.onnx")


def test_a_file_that_is_not_a_network_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for data in (b"", b"<html>Not Found</html>", bytes(1000)):
        (tmp_path / "bad.onnx").write_bytes(data)
        with pytest.raises(KCEError, match=r"bad\.onnx") as raised:
            build(tmp_path / "bad.onnx")
        assert raised.value.hint
    assert capfd.readouterr() == ("", "")


def test_the_process_stays_as_it_was(weights: Path) -> None:
    """Importing the package alone would turn off all warnings and leave its settings behind."""
    code = f"""
import os, warnings
from kce import Registry
Registry.load("/").build("detector", "retinaface", weights={str(weights)!r})
assert not {{"DEEPFACE_BACKEND_ENGINE", "RETINAFACE_LOG_LEVEL"}} & set(os.environ)
warnings.warn("still heard")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "UserWarning: still heard"
    assert done.stdout == ""


@pytest.mark.parametrize("wrong", ["threshold=0.0", "threshold=1.5", "long_side=3"])
def test_parameters_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(KCEError, match=wrong.partition("=")[0]):
        Registry.load("/").build("detector", f"retinaface:{wrong}")
