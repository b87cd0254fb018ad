"""Whether files can be decoded, and what becomes of those that cannot."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kce import Sample
from kce.data import decode_check as module
from kce.data.decode_check import check_decoding, decoding_error
from kce.data.scan import scan
from tests.data.test_media import make_video, numbered
from tests.support.planted import build


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8))
    return path


def cut_short(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_each_kind_of_file_has_its_reason(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(5)])
    assert decoding_error(str(video)) == ""
    assert decoding_error(str(picture(tmp_path / "a.png"))) == ""
    assert decoding_error(str(cut_short(picture(tmp_path / "b.png")))) == "damaged or cut short"
    assert "not a video" in str(decoding_error(str(cut_short(video))))
    (tmp_path / "empty.mp4").touch()
    assert decoding_error(str(tmp_path / "empty.mp4")) == "empty file"
    assert "is missing" in str(decoding_error(str(tmp_path / "nowhere.png")))


def deadly() -> Callable[[str], str]:
    """Dies of one file, as a decoder may."""

    def look(path: str) -> str:
        if path.endswith("deadly.png"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return ""

    return look


def test_a_file_that_crashes_its_decoder_is_reported_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_decode_check", deadly)
    names = [*(f"{n}.png" for n in range(20)), "deadly.png", *(f"{n}.png" for n in range(20, 40))]
    samples = [Sample(name, Path(name), "A", "m") for name in names]
    results = list(check_decoding(samples, workers=2))
    assert [sample for sample, _ in results] == samples
    assert [(sample.key, error) for sample, error in results if error] == [("deadly.png", "its process died (SIGSEGV)")]


def test_a_scan_lists_what_is_corrupt_and_counts_it_all_the_same(tmp_path: Path) -> None:
    for name in ("real/a.png", "real/b.png", "A_m/c.png"):
        picture(tmp_path / name)
    cut_short(tmp_path / "real/b.png")
    make_video(tmp_path / "A_m/d.mp4", [numbered(i) for i in range(5)])
    (tmp_path / "A_m/e.mp4").write_bytes(b"no video at all")
    calls: list[tuple[str, int, int | None]] = []
    dataset = build("folder", tmp_path)
    report = scan(dataset, tmp_path, progress=lambda *args: calls.append(args), decode=True, workers=2)
    assert report.corrupt is not None
    assert [line.split(":")[0] for line in report.corrupt] == ["A_m/e.mp4", "real/b.png"]
    assert report.corrupt[1] == "real/b.png: damaged or cut short"
    assert calls[-5:] == [("decode", n, 5) for n in range(1, 6)]
    plain = scan(dataset, tmp_path)
    assert replace(plain, corrupt=report.corrupt) == report
    assert plain.samples == 5
