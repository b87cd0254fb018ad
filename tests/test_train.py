from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kce import faces as folders
from kce import merge, weights
from kce.errors import BadData, KCEError, Refused
from kce.pixels import Pixels
from kce.registry import Registry
from kce.train import Settings, schedule, train
from tests.corpus import KNOWN, face_folder

TINY = "tiny:size=16,width=2"
QUICK = Settings(epochs=2, batch=20, rate=0.01, save_every=1e9)


@pytest.fixture(scope="module")
def faces_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_folder(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def pixels(faces_at: Path) -> Pixels:
    faces = folders.read(faces_at)
    return Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)


REGISTRY = Registry.load(Path("/"))
PLAN = merge.unmerged(KNOWN)


def trained(pixels: Pixels, to: Path, settings: Settings = QUICK, **more: object) -> str:
    train(TINY, pixels, PLAN, settings, REGISTRY, to, **more)  # type: ignore[arg-type]
    return weights.digest(to)


def test_one_seed_one_result(pixels: Pixels, tmp_path: Path) -> None:
    first = trained(pixels, tmp_path / "a.safetensors")
    assert trained(pixels, tmp_path / "b.safetensors") == first
    assert trained(pixels, tmp_path / "c.safetensors", replace(QUICK, seed=1)) != first


def test_it_learns(pixels: Pixels, tmp_path: Path) -> None:
    about = train(
        "tiny:size=32,width=4",
        Pixels(pixels.faces, 32),
        PLAN,
        replace(QUICK, epochs=12),
        REGISTRY,
        tmp_path / "a.safetensors",
    )
    assert about["history"][-1]["loss"] < 0.6 * about["history"][0]["loss"]
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == "epoch,loss,accuracy"
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize("stop", [1, 4, 5, 7])
def test_interrupted_anywhere_it_ends_with_the_same_weights(pixels: Pixels, tmp_path: Path, stop: int) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    calls = iter(range(1000))

    def interrupt(what: str, done: int, total: int | None) -> None:
        if next(calls) == stop:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(pixels, tmp_path / "cut.safetensors", progress=interrupt)
    assert not (tmp_path / "cut.safetensors").exists()
    seen: list[int] = []
    again = trained(pixels, tmp_path / "cut.safetensors", progress=lambda what, done, total: seen.append(done))
    assert again == whole
    assert seen[0] > 0, "it began again from nothing"
    assert not (tmp_path / "cut.safetensors.resume").exists()


def test_killed_it_goes_on_from_the_last_saved_state(faces_at: Path, pixels: Pixels, tmp_path: Path) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    script = f"""
import os
from pathlib import Path
from dataclasses import replace
import numpy as np
from kce import faces as folders
from kce.pixels import Pixels
from tests.corpus import KNOWN
from tests.test_train import QUICK, trained
faces = folders.read(Path({str(faces_at)!r}))
pixels = Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)
calls = iter(range(1000))
def die(what, done, total):
    if next(calls) == 6:
        os.kill(os.getpid(), 9)
trained(pixels, Path({str(tmp_path / "cut.safetensors")!r}), replace(QUICK, save_every=0.0), progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent.parent, check=False, env=os.environ)
    assert done.returncode == -9
    assert (tmp_path / "cut.safetensors.resume").is_file()
    assert trained(pixels, tmp_path / "cut.safetensors") == whole


def test_every_face_is_seen_once_an_epoch_however_batches_fall(pixels: Pixels, tmp_path: Path) -> None:
    """Also where one face would be left over: 6 classes of 16 in batches of 19 and 95."""
    for batch in (19, 95, 96, 1000):
        seen: list[int] = []

        class Counting(Pixels):
            def read(self, rows: NDArray[np.int64], seen: list[int] = seen) -> NDArray[np.uint8]:
                seen.extend(rows.tolist())
                return super().read(rows)

        to = tmp_path / f"{batch}.safetensors"
        spec = "timm:model=resnet10t,size=32"  # its last maps are one pixel wide
        train(spec, Counting(pixels.faces, 32), PLAN, replace(QUICK, batch=batch), REGISTRY, to)
        assert sorted(seen) == sorted([*range(96), *range(96)])


def test_nothing_is_trained_twice(pixels: Pixels, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    trained(pixels, tmp_path / "other" / "first.safetensors")
    seen: list[str] = []
    for _ in range(2):
        trained(
            pixels,
            tmp_path / "a.safetensors",
            places=[tmp_path / "other"],
            progress=lambda *said: seen.append(str(said)),
        )
    assert seen == []
    assert weights.digest(tmp_path / "a.safetensors") == weights.digest(tmp_path / "other" / "first.safetensors")


def test_a_plan_that_only_renames_makes_the_same_weights(pixels: Pixels, tmp_path: Path) -> None:
    renamed = merge.MergePlan({category: f"class {number}" for number, category in enumerate(sorted(KNOWN))})
    trained(pixels, tmp_path / "a.safetensors")
    train(TINY, pixels, renamed, QUICK, REGISTRY, tmp_path / "b.safetensors")
    a, _ = weights.read(tmp_path / "a.safetensors")
    b, _ = weights.read(tmp_path / "b.safetensors")
    assert all((a[name] == b[name]).all() for name in a)


def test_weights_made_another_way_are_refused_with_both_causes(pixels: Pixels, tmp_path: Path) -> None:
    trained(pixels, tmp_path / "a.safetensors")
    with pytest.raises(Refused, match=r"epochs: there '2', asked for '3'"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, epochs=3))


def test_a_loss_that_is_no_number_is_an_error(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no number any more"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, rate=1e30, epochs=20))
    assert not (tmp_path / "a.safetensors").exists()


def test_the_callers_random_numbers_are_left_alone(pixels: Pixels, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    trained(pixels, tmp_path / "a.safetensors")
    assert (torch.rand(3) == wanted).all()


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04K\x01."])
def test_a_file_that_holds_no_weights_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(BadData, match="holds no weights"):
        weights.read(tmp_path / "a.safetensors")


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
    assert 0 < schedule(0, 1) <= 1
