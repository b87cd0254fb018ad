"""DeeperForensics: one clip eleven times, splits by lists, and no real class of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError, Remark
from tests.support.planted import build, facts, files, plant, remarks, samples

VARIANTS = ["end_to_end", *(f"end_to_end_level_{n}" for n in range(1, 6)), "end_to_end_random_level"]
VARIANTS += [*(f"end_to_end_mix_{n}_distortions" for n in (2, 3, 4)), "reenact_postprocess"]
STUDIO = [
    "source_videos/M004/BlendShape_extra/light_left/camera_front/M004_BlendShape_extra_light_left_camera_front.mp4",
    "source_videos/W101/light_up/angry/camera_left/W101_light_up_angry_camera_left.mp4",
]
FAKES = [f"manipulated_videos/{variant}/{name}.mp4" for variant in VARIANTS for name in ("000_M101", "002_M004")]
DF_VAE = "DeeperForensics_DF-VAE"


def tree(root: Path, splits: str = "lists/splits", train: str = "000_M101.mp4\n") -> Path:
    plant(root, [*FAKES, *STUDIO, "terms_of_use.pdf"])
    plant(root, [f"{splits}/train.txt"], train)
    plant(root, [f"{splits}/val.txt", "lists/source_videos_lists/source_videos_missing_list.txt"])
    plant(root, [f"{splits}/test.txt"], "002_M004.mp4\n")
    return root


def known(variant: str) -> dict[str, object]:
    return {
        f"manipulated_videos/{variant}/000_M101.mp4": (
            DF_VAE,
            "ffpp:000",
            ("ffpp:000", "deeperforensics:M101"),
            "train",
            None,
        ),
        f"manipulated_videos/{variant}/002_M004.mp4": (
            DF_VAE,
            "ffpp:002",
            ("ffpp:002", "deeperforensics:M004"),
            "test",
            None,
        ),
    }


def test_by_default_one_variant_is_read_and_there_are_no_reals(tmp_path: Path) -> None:
    dataset = build("DeeperForensics", tree(tmp_path))
    by_key = samples(dataset)
    assert {key: facts(sample) for key, sample in by_key.items()} == known("end_to_end")
    assert not any(sample.real for sample in by_key.values())
    ignored = remarks(dataset, "ignored")
    assert set(STUDIO) < set(ignored)
    assert "source_videos=true" in ignored[STUDIO[0]]
    assert len(by_key) + len(ignored) == files(tmp_path)
    assert dataset.expected == {DF_VAE: 1000}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_line_of_a_split_stands_for_its_file_in_every_variant(tmp_path: Path, variant: str) -> None:
    dataset = build("DeeperForensics", tree(tmp_path), variant=variant)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == known(variant)


def test_the_same_clip_of_all_variants_is_one_group(tmp_path: Path) -> None:
    dataset = build("DeeperForensics", tree(tmp_path), variant="all")
    by_key = samples(dataset)
    assert set(by_key) == set(FAKES)
    assert {sample.group for key, sample in by_key.items() if "000_M101" in key} == {"ffpp:000"}
    assert dataset.expected == {DF_VAE: 11000}


def test_studio_recordings_are_reals_only_when_requested(tmp_path: Path) -> None:
    dataset = build("DeeperForensics", tree(tmp_path), source_videos=True)
    reals = {key: facts(sample) for key, sample in samples(dataset).items() if sample.real}
    assert reals == {
        key: ("DeeperForensics_real", f"deeperforensics:{who}", (f"deeperforensics:{who}",), "", None)
        for key, who in zip(STUDIO, ("M004", "W101"), strict=True)
    }
    assert dataset.expected == {DF_VAE: 1000, "DeeperForensics_real": 48475}


@pytest.mark.parametrize("splits", ["lists/splits/splits", "splits"])
def test_splits_in_other_folders(tmp_path: Path, splits: str) -> None:
    by_key = samples(build("DeeperForensics", tree(tmp_path, splits)))
    assert [sample.split for sample in by_key.values()] == ["train", "test"]


def test_files_of_a_split_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    tree(tmp_path, train="000_M101.mp4\n001_W001.mp4\n")
    where = "named in line 2 of train.txt"
    assert remarks(build("DeeperForensics", tmp_path), "missing") == {
        "manipulated_videos/end_to_end/001_W001.mp4": where
    }
    everywhere = remarks(build("DeeperForensics", tmp_path, variant="all"), "missing")
    assert everywhere == {f"manipulated_videos/{variant}/001_W001.mp4": where for variant in VARIANTS}


def test_a_variant_that_was_not_downloaded_is_missing_only_where_it_is_requested(tmp_path: Path) -> None:
    plant(tmp_path, ["manipulated_videos/end_to_end/000_M101.mp4"])
    plant(tmp_path, ["lists/splits/train.txt"], "000_M101.mp4")
    assert not remarks(build("DeeperForensics", tmp_path, variant="all"), "missing")
    assert list(remarks(build("DeeperForensics", tmp_path, variant="end_to_end_level_1"), "missing")) == [
        "manipulated_videos/end_to_end_level_1/000_M101.mp4"
    ]


def test_a_clip_that_no_split_names_is_extra(tmp_path: Path) -> None:
    extra = "manipulated_videos/end_to_end/003_W001.mp4"
    dataset = build("DeeperForensics", plant(tree(tmp_path), [extra]))
    assert list(remarks(dataset, "extra")) == [extra]
    assert samples(dataset)[extra].split == ""


def test_without_lists_nothing_is_extra(tmp_path: Path) -> None:
    assert not remarks(build("DeeperForensics", plant(tmp_path, FAKES)), "extra")


def test_a_name_in_two_splits_is_a_conflict_and_the_first_is_kept(tmp_path: Path) -> None:
    dataset = build("DeeperForensics", tree(tmp_path, train="000_M101.mp4\n002_M004.mp4\n"))
    assert remarks(dataset, "conflict") == {"002_M004.mp4": "line 1 of test.txt: also in train.txt, which is kept"}
    assert {sample.split for sample in samples(dataset).values()} == {"train"}


def test_lines_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path) -> None:
    bad = ["../000_M101.mp4", "/000_M101.mp4", "000_003.mp4", "000_M101"]
    dataset = build("DeeperForensics", tree(tmp_path, train="\n".join(bad)))
    assert list(remarks(dataset, "conflict")) == bad
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize(
    "path",
    [
        "manipulated_videos/000_M101.mp4",
        "manipulated_videos/end_to_end/000_003.mp4",
        "manipulated_videos/end_to_end/000_M201.mp4",
        "manipulated_videos/end_to_end_level_6/000_M101.mp4",
        "source_videos/M004/W101_light_up_angry_camera_left.mp4",
        "000_M101.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*FAKES, path])
    assert list(remarks(build("DeeperForensics", tmp_path), "unparsed")) == [path]


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    dataset = build("DeeperForensics", tree(tmp_path, train="000_M101.mp4\n001_W001.mp4\n"))
    assert [item for item in dataset if isinstance(item, Remark)] == [
        item for item in dataset if isinstance(item, Remark)
    ]


def test_a_variant_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no variant 'level_1'") as error:
        build("DeeperForensics", tree(tmp_path), variant="level_1")
    assert "end_to_end_level_1" in error.value.hint
