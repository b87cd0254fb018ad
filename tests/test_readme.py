from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kce.registry.registry import Registry
from tests.support.readme import CONTRIBUTING, README, adapter, rendered


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=lambda page: page.name)
def test_what_repeats_the_code_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text, "run: python -m tests.support.readme"


def test_the_adapter_that_is_shown_is_short() -> None:
    code = adapter()
    docstring = code[code.index('    """') : code.index('    """\n\n    name')]
    assert len([line for line in code.replace(docstring, "").splitlines() if line.strip()]) < 40


def test_the_first_plugin_works_as_printed(at: Path, kce_json: Callable[..., list[dict[str, str]]]) -> None:
    code = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text(encoding="utf-8"), re.DOTALL)[0]
    (at / "plugins").mkdir()
    (at / "plugins" / "halves.py").write_text(code)
    (at / "registry.toml").touch()
    rows = {row["name"]: row["status"] for row in kce_json("list", "clusterer")}
    assert rows["halves"] == "ok"
    found = Registry.load(at).build("clusterer", "halves:axis=1").fit_predict(np.array([[0, 1], [0, 5]]))
    assert found.tolist() == [0, 1]


def test_two_commands_come_first() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip().splitlines() == [first.strip()]
    assert first.startswith("python3 -m venv .venv && ")
    assert "kce demo" in first
    assert second.startswith("python3 -m venv .venv && ")
    assert "pytest" in second


def test_the_adapter_works_as_printed(
    at: Path, kce_json: Callable[..., dict[str, object]], kce: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (adapter,) = blocks("python")
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
    (table,) = blocks("toml")
    (at / "registry.toml").write_text(table)
    shown = kce_json("show", "backbone", "mine")
    assert {p["name"]: p["default"] for p in shown["parameters"]}["size"] == 256


def test_commands_in_the_tour_parse(kce: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Each is refused for the data that is not here, never for the way it is written."""
    tour = "\n".join(blocks("sh")[2:]).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in tour.splitlines() if line.startswith("kce ")]
    assert len(lines) >= 7
    for words in lines:
        study, bench = words[1] == "study", words[1] == "bench" and words[2] != "compare"
        done = kce(*words[1:], *(["--dry-run"] if study or bench else []))  # some would work, and take their minutes
        assert "Usage:" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        works = words[1] in ("list", "show", "new") or (study and "--faces" not in words)
        works |= bench and not {"mine", "--truth"} & set(words)
        assert done.returncode == (0 if works else 2), done.stderr
