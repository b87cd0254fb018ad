"""KoDF: Hangul, brackets, folders that repeat, names on disk in parts, and lists."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from kce import KCEError
from tests.support.planted import build, facts, files, plant, remarks, samples

A, B = "0e23d546a5f952542a00", "e37c8c26b0c1c0714c74"
TOP = "003.딥페이크"
SOURCES = f"{TOP}/1.Training/원천데이터/train_탐지방해"
REAL = f"{SOURCES}/원본영상/01_원본영상/01_원본영상/{A}_132.mp4"
FAKE = f"{SOURCES}/변조영상/01_변조영상/01_변조영상/{A}_{B}_4_1680.mp4"
LABELS = f"{TOP}/1.Training/라벨링데이터/train_meta/train_meta_data"
HEAD = "\ufeff영상ID,UUID,타겟영상,변조모델,소스UUID,타겟UUID,인물성별\n"
BOTH = (f"kodf:{A}", f"kodf:{B}")


def line(stem: str, model: str = "fo", target: str = A) -> str:
    return f"{stem}.mp4,,{target}_132.mp4,{model},,{target},F\n"


def test_the_tree_of_ai_hub(tmp_path: Path) -> None:
    plant(tmp_path, [REAL, FAKE, f"{TOP}/2.Validation/원천데이터/변조영상/{A}_{B}_1_0490.mp4"])
    dataset = build("KoDF", tmp_path)
    assert dataset.root.name == TOP
    assert {f"{TOP}/{key}": facts(sample) for key, sample in samples(dataset).items()} == {
        REAL: ("KoDF_real", f"kodf:{A}_132", (f"kodf:{A}",), "train", None),
        FAKE: ("KoDF_fo", "", BOTH, "train", None),
        f"{TOP}/2.Validation/원천데이터/변조영상/{A}_{B}_1_0490.mp4": ("KoDF_dfl", "", BOTH, "val", None),
    }


@pytest.mark.parametrize(
    ("code", "method"), [("1", "dfl"), ("2", "dffs"), ("3", "fsgan"), ("4", "fo"), ("5", "audio-driven")]
)
def test_codes_are_methods(tmp_path: Path, code: str, method: str) -> None:
    plant(tmp_path, [f"{method}/20200715/100123/100123_100456_{code}_0001.mp4"])
    (sample,) = samples(build("KoDF", tmp_path)).values()
    assert sample.category == f"KoDF_{method}"
    assert sample.identities == ("kodf:100123", "kodf:100456")


def test_the_international_tree(tmp_path: Path) -> None:
    plant(tmp_path, ["original/100123/100123_007.mp4", f"audio-driven/20201010/{A}/{A}_{B}_5_0012.mp4"])
    assert {key: facts(sample) for key, sample in samples(build("KoDF", tmp_path)).items()} == {
        "original/100123/100123_007.mp4": ("KoDF_real", "kodf:100123_007", ("kodf:100123",), "", None),
        f"audio-driven/20201010/{A}/{A}_{B}_5_0012.mp4": ("KoDF_audio-driven", "", BOTH, "", None),
    }


def test_folders_named_as_their_zips_with_brackets(tmp_path: Path) -> None:
    fake = f"[원천][변조]audio_driven1/[원천][변조]audio_driven1/{A}_{B}_5_0001.mp4"
    real = f"[원천][원본]원본1/{A}_001.mp4"
    plant(tmp_path / "1.Training", [fake, real])
    assert {key: sample.category for key, sample in samples(build("KoDF", tmp_path)).items()} == {
        f"1.Training/{fake}": "KoDF_audio-driven",
        f"1.Training/{real}": "KoDF_real",
    }


def test_a_zip_alone_shows_the_root(tmp_path: Path) -> None:
    fake = f"[원천][변조]train_dfl12_data/{A}_{B}_1_0001.mp4"
    assert list(samples(build("KoDF", plant(tmp_path, [fake])))) == [fake]


def test_decomposed_names_on_disk_are_found_and_composed(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", FAKE)
    assert apart != FAKE
    plant(tmp_path, [apart, unicodedata.normalize("NFD", f"{LABELS}/변조영상_training_메타데이터.csv")])
    ((key, sample),) = samples(build("KoDF", tmp_path)).items()
    assert f"{TOP}/{key}" == FAKE
    assert sample.path.is_file()
    assert facts(sample) == ("KoDF_fo", "", BOTH, "train", None)


@pytest.mark.parametrize("given", [TOP, f"{TOP}/1.Training", f"{TOP}/1.Training/원천데이터"])
def test_the_root_may_be_given_higher_or_lower(tmp_path: Path, given: str) -> None:
    plant(tmp_path, [REAL])
    assert list(samples(build("KoDF", tmp_path / given))) == [REAL.removeprefix(f"{TOP}/")]


def test_lists_give_groups_order_and_split(tmp_path: Path) -> None:
    swapped = f"{TOP}/변조영상/{B}_{A}_1_0002.mp4"
    plant(tmp_path, [REAL, FAKE, swapped, f"{TOP}/원본영상/{A}_140.mp4"])
    text = HEAD + line(f"{A}_{B}_4_1680") + line(f"{B}_{A}_1_0002", "dfl")
    plant(tmp_path, [f"{LABELS}/변조영상_training_메타데이터.csv"], text)
    plant(tmp_path, [f"{TOP}/원본영상_validation_메타데이터.csv"], f"영상ID,UUID\n{A}_140.mp4,{A}\n")
    dataset = build("KoDF", tmp_path)
    by_key = {key.rpartition("/")[2]: facts(sample)[1:4] for key, sample in samples(dataset).items()}
    assert by_key == {
        f"{A}_132.mp4": (f"kodf:{A}_132", (f"kodf:{A}",), "train"),
        f"{A}_140.mp4": (f"kodf:{A}_140", (f"kodf:{A}",), "val"),
        f"{A}_{B}_4_1680.mp4": (f"kodf:{A}_132", BOTH, "train"),
        f"{B}_{A}_1_0002.mp4": (f"kodf:{A}_132", BOTH, "train"),  # the list knows who is the target
    }
    assert not remarks(dataset, "conflict")
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize("folder", [TOP, f"{TOP}/1.Training/[라벨링]train_meta", SOURCES, f"{SOURCES}/변조영상/a/b"])
def test_lists_are_found_wherever_they_are_but_not_outside(tmp_path: Path, folder: str) -> None:
    name = "변조영상_training_메타데이터.csv"
    plant(tmp_path, [FAKE])
    plant(tmp_path, [f"{folder}/{name}"], HEAD + line(f"{A}_{B}_4_1680"))
    assert [sample.group for sample in samples(build("KoDF", tmp_path)).values()] == [f"kodf:{A}_132"]
    (tmp_path / folder / name).rename(tmp_path / name)
    (tmp_path / folder / name).symlink_to(tmp_path / name)
    assert [sample.group for sample in samples(build("KoDF", tmp_path)).values()] == [""]


def test_listed_files_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    plant(tmp_path, [FAKE])
    plant(tmp_path, [f"{LABELS}/변조영상_training_메타데이터.csv"], HEAD + line(f"{A}_{B}_1_0001", "dfl"))
    assert remarks(build("KoDF", tmp_path), "missing") == {f"{A}_{B}_1_0001.mp4": "named in a list"}


def test_a_list_that_disagrees_is_a_conflict_and_the_name_is_kept(tmp_path: Path) -> None:
    plant(tmp_path, [FAKE])
    text = HEAD + line(f"{A}_{B}_4_1680", "dfl") + "../../etc/passwd,,,,,,\n" + "\0\n"
    plant(tmp_path, [f"{LABELS}/변조영상_training_메타데이터.csv"], text)
    dataset = build("KoDF", tmp_path)
    (name, kept), *rest = remarks(dataset, "conflict").items()
    assert name == f"{A}_{B}_4_1680.mp4"
    assert "line 2 of 변조영상_training_메타데이터.csv says dfl" in kept
    assert rest
    assert [sample.category for sample in samples(dataset).values()] == ["KoDF_fo"]


def test_a_list_that_is_not_csv_is_reported(tmp_path: Path) -> None:
    plant(tmp_path, [FAKE])
    plant(tmp_path, [f"{LABELS}/변조영상_training_메타데이터.csv"], HEAD + '"' + "a\n" * 140_000)
    (reason,) = remarks(build("KoDF", tmp_path), "conflict").values()
    assert "cannot be read" in reason


@pytest.mark.parametrize(
    ("path", "contradicting"),
    [
        (f"원본영상/{A}_{B}_1_0001.mp4", "원본영상"),
        (f"변조영상/01_변조영상/{A}_001.mp4", "변조영상"),
        (f"dfl/20200715/{A}/{A}_{B}_2_0001.mp4", "dfl"),
        (f"[원천][변조]train_fsgan3_data/{A}_{B}_4_0001.mp4", "[원천][변조]train_fsgan3_data"),
    ],
)
def test_a_name_that_its_folders_contradict_is_left_out(tmp_path: Path, path: str, contradicting: str) -> None:
    plant(tmp_path / "1.Training", [path])
    dataset = build("KoDF", tmp_path)
    assert not samples(dataset)
    assert contradicting in remarks(dataset, "conflict")[f"1.Training/{path}"]


@pytest.mark.parametrize("name", [f"{A}_{B}_6_0001", f"{A}_{B}_4", "abc_001", f"{A}", f"{A}_{B}_{B}_4_0001", "12345_1"])
def test_other_names_are_unparsed(tmp_path: Path, name: str) -> None:
    plant(tmp_path / "1.Training", [f"{name}.mp4"])
    assert list(remarks(build("KoDF", tmp_path), "unparsed")) == [f"1.Training/{name}.mp4"]


def test_each_file_is_reported_once(tmp_path: Path) -> None:
    plant(tmp_path / TOP, ["1.Training/x.mp4", "1.Training/[라벨링]train_meta/a.json", "1.Training/소리/a.wav"])
    plant(tmp_path, [REAL, FAKE, f"{TOP}/__MACOSX/._{A}_132.mp4"])
    assert len(list(build("KoDF", tmp_path))) == files(tmp_path) == 6


def test_published_numbers_and_a_wrong_root(tmp_path: Path) -> None:
    plant(tmp_path / "one" / "two", ["three/a.mp4"])
    with pytest.raises(KCEError, match="does not look like KoDF"):
        build("KoDF", tmp_path / "one" / "two")
    plant(tmp_path, [REAL])
    assert build("KoDF", tmp_path).expected == {"KoDF_real": 62166}
