"""Training in several processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kce.errors import KCEError, MachineFault
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.training.batches import split_batches
from kce.training.sampling import choose_examples
from kce.training.train import train
from kce.training.weights import read_weights_file
from tests.support.corpus import KNOWN
from tests.support.training import PLAN, QUICK, REGISTRY, TINY, trained


def test_two_processes_end_where_one_does_and_see_each_face_once(
    pixels: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Shares of a batch differ by a face; batch statistics, loss and accuracy are those of the whole."""
    settings = replace(QUICK, held_out=0.2, lr=0.003)
    with caplog.at_level("INFO", "kce.training.train"):
        one = train(TINY, pixels, PLAN, settings, REGISTRY, tmp_path / "one.safetensors")
        said: list[tuple[str, int, int | None]] = []
        two = train(
            TINY,
            pixels,
            PLAN,
            settings,
            REGISTRY,
            tmp_path / "two.safetensors",
            devices=2,
            progress=lambda *w: said.append(w),
        )
    assert two["provenance"] == one["provenance"]
    a, b = (read_weights_file(tmp_path / f"{name}.safetensors")[0] for name in ("one", "two"))
    assert list(a) == list(b)
    for name, tensor in a.items():
        np.testing.assert_allclose(b[name].numpy(), tensor.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    for mine, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-3)
        assert theirs["accuracy"] == pytest.approx(mine["accuracy"], abs=0.03)
        assert theirs["held_out_accuracy"] == pytest.approx(mine["held_out_accuracy"], abs=0.1)
    assert [record.message.split(",")[0] for record in caplog.records] == ["one"] * 2 + ["two"] * 2
    assert said[-1][1] == said[-1][2]


def test_processes_share_every_batch_class_by_class(pixels: Pixels) -> None:
    """What the parts of all processes add up to is what one process would see: each face once, each class as often."""
    shown, _ = choose_examples(pixels.faces, PLAN, replace(QUICK, held_out=0.2))
    assert len(set(np.bincount(shown.targets).tolist())) == 1
    for world in (1, 2, 3):
        order = np.random.default_rng([0, 1]).permutation(len(shown.rows))
        seen = [
            shown.take(order[batch]).rows[rank::world].tolist()
            for batch in split_batches(len(shown.rows), 20)
            for rank in range(world)
        ]
        assert sorted(row for rows in seen for row in rows) == sorted(shown.rows.tolist())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_two_processes_that_are_stopped_go_on(pixels: Pixels, tmp_path: Path, number: int) -> None:
    settings = replace(QUICK, save_every=0.0)

    def stop(what: str, done: int, total: int | None) -> None:
        if done == 80:
            victim = multiprocessing.active_children()[1].pid if number == signal.SIGKILL else os.getpid()
            assert victim is not None
            os.kill(victim, number)

    wanted = pytest.raises(KCEError, match="killed") if number == signal.SIGKILL else pytest.raises(KeyboardInterrupt)
    with wanted:
        trained(pixels, tmp_path / "a.safetensors", settings, devices=2, progress=stop)
    assert not (tmp_path / "a.safetensors").exists()
    # A process that was killed while it saved leaves the state before it, under its own name.
    assert list(tmp_path.glob("a.safetensors.resume*"))
    seen: list[int] = []
    trained(pixels, tmp_path / "a.safetensors", settings, progress=lambda what, done, total: seen.append(done))
    assert seen[0] > 0
    whole, again = trained(pixels, tmp_path / "whole.safetensors"), read_weights_file(tmp_path / "a.safetensors")[0]
    assert whole
    for name, tensor in read_weights_file(tmp_path / "whole.safetensors")[0].items():
        np.testing.assert_allclose(again[name].numpy(), tensor.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_face_that_one_of_two_processes_cannot_read_is_reported_as_by_one(
    tmp_path: Path, faces_at: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces_at, tmp_path / "faces")
    faces = read_faces(tmp_path / "faces")
    there = Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)
    shutil.rmtree(tmp_path / "faces" / KNOWN[0])
    with pytest.raises(MachineFault, match="is missing") as caught:
        trained(there, tmp_path / "a.safetensors", devices=2)
    assert "continues where it stopped" in caught.value.hint


def test_more_processes_than_faces_in_a_batch_are_refused(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="cannot split a batch of 2 faces over 3 devices"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, batch_size=2), devices=3)
