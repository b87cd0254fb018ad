"""WildDeepfake: numbers that repeat in every folder, and archives nobody unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError
from kce.data.scan import ScanFailed, scan
from tests.support.planted import build, facts, plant, remarks, samples

HALVES = ["real_train", "real_test", "fake_train", "fake_test"]


def frame(half: str, shard: str = "1", sequence: int = 131, number: int = 942) -> str:
    return f"{half}/{shard}/{half[:4]}/{sequence}/{number}.png"


@pytest.mark.parametrize("blank", ["_", " ", "-"])
def test_shards_and_sequences_of_one_number_do_not_merge(tmp_path: Path, blank: str) -> None:
    plant(tmp_path / "deepfake_in_the_wild", [frame(half.replace("_", blank)) for half in HALVES])
    dataset = build("WildDeepfake", tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        frame(half.replace("_", blank)): (
            f"WildDeepfake_{'real' if half.startswith('real') else 'WildDeepfake'}",
            f"wilddeepfake:{half}/1/131",
            (),
            half[5:],
            942,
        )
        for half in HALVES
    }


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    plant(tmp_path, [frame("fake_test", sequence=s, number=n) for s in (10, 9) for n in (1000, 99, 942)])
    found_samples = samples(build("WildDeepfake", tmp_path)).values()
    assert [(sample.group[-2:], sample.frame) for sample in found_samples] == [
        (group, number) for group in ("/9", "10") for number in (99, 942, 1000)
    ]


def test_a_shard_in_a_folder_of_its_own(tmp_path: Path) -> None:
    plant(tmp_path, [frame("fake_test", "1/1"), frame("fake_test", "2/1"), frame("fake_test", "2")])
    assert [sample.group for sample in samples(build("WildDeepfake", tmp_path)).values()] == [
        "wilddeepfake:fake_test/1/131",
        "wilddeepfake:fake_test/2/1/131",
        "wilddeepfake:fake_test/2/131",
    ]


def test_shards_that_are_still_packed_are_unparsed(tmp_path: Path) -> None:
    plant(tmp_path, ["real_train/0.tar.gz", "real_train/1.tar.gz", frame("real_train")])
    dataset = build("WildDeepfake", tmp_path)
    assert remarks(dataset, "unparsed") == {"real_train/0.tar.gz": "an archive; unpack it where it is"}
    assert set(remarks(dataset, "ignored")) == {"real_train/1.tar.gz"}
    assert list(samples(dataset)) == [frame("real_train")]


def test_a_root_that_is_still_packed_is_an_error(tmp_path: Path) -> None:
    plant(tmp_path, [f"{half}/{n}.tar.gz" for half in HALVES for n in range(3)])
    with pytest.raises(ScanFailed, match=r"12 of 12 .*an archive; unpack it"):
        scan(build("WildDeepfake", tmp_path), tmp_path)


def test_a_folder_that_disagrees_with_the_one_above_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, [frame("real_train"), "real_train/1/fake/131/942.png"])
    dataset = build("WildDeepfake", tmp_path)
    assert list(remarks(dataset, "conflict")) == ["real_train/1/fake/131/942.png"]
    assert list(samples(dataset)) == [frame("real_train")]


@pytest.mark.parametrize(
    "path", ["1/fake/131/942.png", "real_train/real/131/942.png", "real_train/1/real/131/x.png", "all/1/real/1/1.png"]
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [frame("real_train"), path])
    dataset = build("WildDeepfake", tmp_path)
    assert list(remarks(dataset, "unparsed")) == [path]
    assert len(samples(dataset)) == 1


def test_all_unpacked_into_one_folder_is_refused(tmp_path: Path) -> None:
    plant(tmp_path / "all", ["1/fake/131/942.png", "1/real/131/942.png"])
    with pytest.raises(KCEError, match="does not look like WildDeepfake"):
        build("WildDeepfake", tmp_path / "all")
