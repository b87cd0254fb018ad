"""A training that was stopped ends as one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kce.faces.loader import Pixels
from kce.training.history import read_history
from kce.training.train import train
from kce.training.weights import file_sha256
from tests.conftest import REPOSITORY
from tests.support.interrupts import interrupt_at
from tests.support.training import PLAN, QUICK, REGISTRY, trained


@pytest.mark.parametrize("stop", [1, 4, 5, 7])
def test_interrupted_anywhere_it_ends_with_the_same_weights(pixels: Pixels, tmp_path: Path, stop: int) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        trained(pixels, tmp_path / "cut.safetensors", progress=interrupt_at(stop))
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
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from tests.support.corpus import KNOWN
from tests.support.training import QUICK, trained
faces = read_faces(Path({str(faces_at)!r}))
pixels = Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)
calls = iter(range(1000))
def die(what, done, total):
    if next(calls) == 6:
        os.kill(os.getpid(), 9)
trained(pixels, Path({str(tmp_path / "cut.safetensors")!r}), replace(QUICK, save_every=0.0), progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False, env=os.environ)
    assert done.returncode == -9
    assert (tmp_path / "cut.safetensors.resume").is_file()
    assert trained(pixels, tmp_path / "cut.safetensors") == whole


def test_augmented_and_interrupted_it_ends_with_the_same_weights(pixels: Pixels, tmp_path: Path) -> None:
    settings = replace(QUICK, augment=("flip", "codec"))
    whole = trained(pixels, tmp_path / "whole.safetensors", settings)
    assert whole != trained(pixels, tmp_path / "plain.safetensors")
    with pytest.raises(KeyboardInterrupt):
        trained(pixels, tmp_path / "cut.safetensors", settings, progress=interrupt_at(7))
    assert trained(pixels, tmp_path / "cut.safetensors", settings) == whole


def test_a_network_with_random_numbers_ends_with_the_same_weights_too(pixels: Pixels, tmp_path: Path) -> None:
    """Dropped paths: its random numbers are the step's own."""
    spec, at32 = "timm:model=convnext_atto,size=32", Pixels(pixels.faces, 32)
    settings = replace(QUICK, epochs=1, batch_size=48)
    train(spec, at32, PLAN, settings, REGISTRY, tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        train(spec, at32, PLAN, settings, REGISTRY, tmp_path / "cut.safetensors", progress=interrupt_at(1))
    train(spec, at32, PLAN, settings, REGISTRY, tmp_path / "cut.safetensors")
    assert file_sha256(tmp_path / "cut.safetensors") == file_sha256(tmp_path / "whole.safetensors")


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


def zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def with_a_flipped_bit(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


DAMAGE = [cut_short, emptied, zeroed, with_a_flipped_bit]


def interrupted_after(pixels: Pixels, to: Path, steps: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(pixels, to, replace(QUICK, save_every=0.0), progress=interrupt_at(steps))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_costs_one_state_and_is_told(
    pixels: Pixels, tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    interrupted_after(pixels, tmp_path / "cut.safetensors", 5)
    state = tmp_path / "cut.safetensors.resume"
    state.write_bytes(damage(state.read_bytes()))
    seen: list[int] = []
    again = trained(pixels, tmp_path / "cut.safetensors", progress=lambda what, done, total: seen.append(done))
    assert again == whole
    assert seen[0] == 4 * QUICK.batch_size
    assert "cut.safetensors.resume is damaged; the training continues from step 4" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir() if "resume" in path.name) == []


def test_without_a_whole_state_the_training_begins_again(
    pixels: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    interrupted_after(pixels, tmp_path / "cut.safetensors", 5)
    for name in ("cut.safetensors.resume", "cut.safetensors.resume.before"):
        (tmp_path / name).write_bytes(b"")
    seen: list[int] = []
    again = trained(pixels, tmp_path / "cut.safetensors", progress=lambda what, done, total: seen.append(done))
    assert (again, seen[0]) == (whole, 0)
    assert "is damaged; the training restarts" in caplog.text


def test_killed_between_the_two_renames_of_a_state_it_goes_on_from_the_one_before(
    pixels: Pixels, tmp_path: Path
) -> None:
    whole = trained(pixels, tmp_path / "whole.safetensors")
    interrupted_after(pixels, tmp_path / "cut.safetensors", 5)
    (tmp_path / "cut.safetensors.resume").unlink()
    seen: list[int] = []
    again = trained(pixels, tmp_path / "cut.safetensors", progress=lambda what, done, total: seen.append(done))
    assert (again, seen[0]) == (whole, 4 * QUICK.batch_size)


@pytest.mark.parametrize("garbage", [b"\xff\xfe\0", b"model,epoch\nfinal\n", b"a" * 200_000, b'"', b"model\n" * 9])
def test_garbage_in_the_history_is_written_again(pixels: Pixels, tmp_path: Path, garbage: bytes) -> None:
    trained(pixels, tmp_path / "a.safetensors")
    rows = read_history(tmp_path / "train.csv", "a")
    (tmp_path / "train.csv").write_bytes(garbage)
    trained(pixels, tmp_path / "a.safetensors")
    again = read_history(tmp_path / "train.csv", "a")
    assert [row["loss"] for row in again] == [row["loss"] for row in rows]
