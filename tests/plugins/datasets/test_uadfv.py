"""UADFV: 49 clips and their fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.data.scan import scan
from tests.support.planted import build, facts, plant, remarks, samples

TREE = ["real/0000.mp4", "real/0017.mp4", "fake/0017_fake.mp4"]


def test_the_published_layout(tmp_path: Path) -> None:
    plant(tmp_path, [*TREE, "real/0000.mat"])
    dataset = build("UADFV", tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        "real/0000.mp4": ("UADFV_real", "uadfv:0000", ("uadfv:0000",), "", None),
        "real/0017.mp4": ("UADFV_real", "uadfv:0017", ("uadfv:0017",), "", None),
        "fake/0017_fake.mp4": ("UADFV_FakeApp", "uadfv:0017", ("uadfv:0017",), "", None),
    }
    assert list(remarks(dataset, "ignored")) == ["real/0000.mat"]


def test_the_whole_of_it_is_what_is_published(tmp_path: Path) -> None:
    plant(tmp_path / "UADFV", [name for n in range(49) for name in (f"real/{n:04}.mp4", f"fake/{n:04}_fake.mp4")])
    report = scan(build("UADFV", tmp_path), tmp_path)
    assert report.by_category == report.expected == {"UADFV_FakeApp": 49, "UADFV_real": 49}


@pytest.mark.parametrize(
    "path", ["real/0000_fake.mp4", "fake/0000.mp4", "real/a.mp4", "real/x/0000.mp4", "other/0000.mp4", "0000.mp4"]
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*TREE, path])
    assert list(remarks(build("UADFV", tmp_path), "unparsed")) == [path]
