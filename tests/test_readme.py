from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tests.support.documents import README, blocks


def test_two_commands_come_first() -> None:
    first, second = blocks(README, "sh")[:2]
    assert first.strip().splitlines() == [first.strip()]
    assert first.startswith("python3 -m venv .venv && ")
    assert "kce demo" in first
    assert second.startswith("python3 -m venv .venv && ")
    assert "pytest" in second


def test_the_adapter_works_as_printed(
    at: Path, kce_json: Callable[..., dict[str, object]], kce: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (adapter,) = blocks(README, "python")
    assert len([line for line in adapter.splitlines() if line.strip()]) <= 17  # its two imports included
    (at / "plugins").mkdir()
    (at / "plugins" / "mylab.py").write_text(adapter)
    (at / "registry.toml").touch()
    for place in ("real/a.mp4", "fake/Swap/b.mp4"):
        path = at / "data" / place
        path.parent.mkdir(parents=True)
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
        for shade in range(12):
            video.write(np.full((64, 64, 3), 20 * shade, np.uint8))
        video.release()
    report = kce_json("scan", "MyLab", "--root", "data")
    assert report["by_category"] == {"MyLab_Swap": 1, "MyLab_real": 1}
    cut = kce("cut", "MyLab", "--root", "data", "--to", "faces", "--detector", "whole", "--frames", "3")
    assert cut.returncode == 0, cut.stderr
    assert len(list((at / "faces").rglob("*.png"))) == 6


def test_the_registry_works_as_printed(at: Path, kce_json: Callable[..., dict[str, object]]) -> None:
    (table,) = blocks(README, "toml")
    (at / "registry.toml").write_text(table)
    shown = kce_json("show", "backbone", "mine")
    assert {p["name"]: p["default"] for p in shown["parameters"]}["size"] == 256


def test_it_shows_what_the_demo_prints() -> None:
    (shown,) = blocks(README, "text")
    assert shown.startswith("The plan found:")
    for plan in ("none", "name", "random", "clusters"):
        assert f"\n{plan} " in shown
