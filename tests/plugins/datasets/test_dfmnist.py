"""DeepFakeMnist+: bare numbers, hashes in names, and a folder that is spelled wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kce import KCEError
from kce.data.scan import scan
from tests.support.planted import build, facts, files, plant, remarks, samples

ACTIONS = ["blink", "embarrass", "left_slope", "mouth", "nod", "right_slope", "smile", "surpise", "up", "yaw"]
REALS = {
    "real_dataset/selected_train/id10001#7w0IBEWc9Qw#001298#001705.mp4": "train",
    "real_dataset/selected_val/id10270#-x_4Z1y8Ab0#000001#000153.mp4": "val",
    "real_dataset/selected_test/id11251#s4R4hvqrhFw#008169#008372.mp4": "test",
}
FAKES = [f"fake_dataset/{action}/{4063 + n}.mp4" for n, action in enumerate(ACTIONS)]


def test_the_published_layout(tmp_path: Path) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    dataset = build("DeepFakeMnist+", tmp_path)
    by_key = samples(dataset)
    assert len(by_key) == files(tmp_path)
    for path in FAKES:
        assert facts(by_key[path]) == ("DeepFakeMnist+_FOMM", "", (), "", None)
    for path, split in REALS.items():
        stem = Path(path).stem
        who = f"voxceleb1:{stem.partition('#')[0]}"
        assert facts(by_key[path]) == ("DeepFakeMnist+_real", f"voxceleb1:{stem}", (who,), split, None)
    assert dataset.expected == {"DeepFakeMnist+_FOMM": 10000, "DeepFakeMnist+_real": 10000}


def test_surprise_is_read_as_it_was_spelled_and_as_it_was_meant(tmp_path: Path) -> None:
    paths = ["fake_dataset/surpise/1.mp4", "fake_dataset/surprise/2.mp4"]
    plant(tmp_path, paths)
    assert list(samples(build("DeepFakeMnist+", tmp_path))) == paths


def test_hashes_in_names_reach_the_csv_as_they_are(tmp_path: Path) -> None:
    root = plant(tmp_path / "DFMNIST+", REALS)
    scan(build("DeepFakeMnist+", root), root, csv=tmp_path / "rows.csv")
    rows = (tmp_path / "rows.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [*sorted(REALS)]


def test_fakes_take_their_shares_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    plant(
        tmp_path, [f"fake_dataset/{action}/{n}.mp4" for action in ("blink", "surpise", "surprise") for n in range(12)]
    )
    dataset = build("DeepFakeMnist+", tmp_path, fake_split="9/2/3")
    for _ in range(2):  # a second reading counts afresh
        splits = {key: sample.split for key, sample in samples(dataset).items()}
        assert [splits[f"fake_dataset/blink/{n}.mp4"] for n in range(12)] == [*["train"] * 9, *["val"] * 2, "test"]
        surprise = Counter(split for key, split in splits.items() if "blink" not in key)
        assert surprise == {"train": 9, "val": 2, "test": 3, "": 10}


def test_the_authors_split_has_50_more_than_exist(tmp_path: Path) -> None:
    plant(tmp_path, [f"fake_dataset/nod/{n}.mp4" for n in range(1000)])
    by_key = samples(build("DeepFakeMnist+", tmp_path, fake_split="750/150/150"))
    assert Counter(sample.split for sample in by_key.values()) == {"train": 750, "val": 150, "test": 100}


@pytest.mark.parametrize("rule", ["750", "750/150", "official", "-1/2/3", "0.8/0.1/0.1"])
def test_an_invalid_rule(tmp_path: Path, rule: str) -> None:
    with pytest.raises(KCEError, match="is not a split"):
        build("DeepFakeMnist+", plant(tmp_path, FAKES), fake_split=rule)


@pytest.mark.parametrize(
    "path",
    [
        "fake_dataset/4063.mp4",
        "fake_dataset/frown/4063.mp4",
        "fake_dataset/nod/id10001#7w0IBEWc9Qw#001298#001705.mp4",
        "fake_dataset/nod/more/4063.mp4",
        "real_dataset/selected_train/4063.mp4",
        "real_dataset/id10001#7w0IBEWc9Qw#001298#001705.mp4",
        "real_dataset/selected_more/id10001#7w0IBEWc9Qw#001298#001705.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*FAKES, path])
    assert list(remarks(build("DeepFakeMnist+", tmp_path), "unparsed")) == [path]


def test_the_first_upload_without_reals(tmp_path: Path) -> None:
    plant(tmp_path / "DeepFakeMnist", FAKES)
    assert len(samples(build("DeepFakeMnist+", tmp_path))) == 10
