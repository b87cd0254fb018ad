"""The lists of frames that DeepfakeBench and DF40 publish, as jsons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kce import BadData, KCEError, Remark
from kce.data.scan import ScanFailed, scan
from tests.support.planted import build, facts, plant, remarks, samples

DF, REAL = "FaceForensics++/manipulated_sequences/Deepfakes", "FaceForensics++/original_sequences/youtube"
FAKES = [f"{DF}/c23/frames/071_054/{n}.png" for n in ("000", "131")]
REALS = [f"{REAL}/c23/frames/071/042.png"]


def video(label: str, frames: list[Any]) -> dict[str, Any]:
    return {"label": label, "frames": frames}


def ffdf(prefix: str = "") -> dict[str, Any]:
    fakes, reals = [[prefix + frame for frame in frames] for frames in (FAKES, REALS)]
    c40 = [frame.replace("c23", "c40") for frame in fakes]
    return {
        "FF-DF": {
            "FF-real": {"train": {"c23": {"071": video("FF-real", reals)}}, "test": {}, "val": {"c23": {}}},
            "FF-DF": {
                "train": {"c23": {"071_054": video("FF-DF", fakes)}, "c40": {"071_054": video("FF-DF", c40)}},
                "test": {},
            },
        }
    }


def read(root: Path, content: Any, **parameters: Any) -> Any:
    plant(root, ["list.json"], json.dumps(content))
    return build("folder", root, json="list.json", **parameters)


def test_frames_are_samples_with_the_label_and_the_split(tmp_path: Path) -> None:
    plant(tmp_path, [*FAKES, *REALS, "more/0.png"])
    dataset = read(tmp_path, ffdf())
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        FAKES[0]: ("FF-DF_FF-DF", f"{DF}/c23/frames/071_054", (), "train", 0),
        FAKES[1]: ("FF-DF_FF-DF", f"{DF}/c23/frames/071_054", (), "train", 131),
        REALS[0]: ("FF-DF_real", f"{REAL}/c23/frames/071", (), "train", 42),
    }
    assert all(sample.path == tmp_path / key for key, sample in samples(dataset).items())
    assert [item for item in dataset if isinstance(item, Remark)] == [
        Remark("ignored", "FF-DF/FF-DF/train/c40/071_054 in list.json", "compression c40")
    ]


def test_another_compression_and_another_name(tmp_path: Path) -> None:
    c40 = [frame.replace("c23", "c40") for frame in FAKES]
    plant(tmp_path, [*FAKES, *c40])
    assert set(samples(read(tmp_path, ffdf(), compression="c40"))) == set(c40)
    assert set(samples(read(tmp_path, ffdf(), compression="all"))) == {*FAKES, *c40}
    named = samples(read(tmp_path, ffdf(), dataset="Mine"))
    assert {sample.category for sample in named.values()} == {"Mine_FF-DF"}


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("FF-real", "D_real"), ("D_Real", "D_real"), ("real", "D_real"), ("original", "D_real"),
        ("D_FakeA", "D_FakeA"), ("D_fake", "D_fake"), ("simswap_Fake", "D_simswap_Fake"), ("FF-NT", "D_FF-NT"),
        ("Real3DPortrait", "D_Real3DPortrait"), ("surreal", "D_surreal"),
        ("Fake_from_Celeb-real", "D_Fake_from_Celeb-real"),
    ],
)  # fmt: skip
def test_what_a_label_means(tmp_path: Path, label: str, category: str) -> None:
    plant(tmp_path, ["v/1.png"])
    (sample,) = samples(read(tmp_path, {"D": {label: {"test": {"v": video(label, ["v/1.png"])}}}})).values()
    assert (sample.category, sample.real) == (category, category == "D_real")


def test_a_general_label_below_the_method(tmp_path: Path) -> None:
    plant(tmp_path, ["v/1.png", "w/1.png"])
    content = {"D": {"Deepfakes": {"v": video("fake", ["v/1.png"])}}}
    content["D"]["original_sequences"] = {"youtube": {"w": video("real", ["w/1.png"])}}
    assert [sample.category for sample in samples(read(tmp_path, content)).values()] == ["D_Deepfakes", "D_real"]


def test_videos_with_labels_that_disagree_are_unparsed(tmp_path: Path) -> None:
    plant(tmp_path, ["v/1.png"])
    dataset = read(tmp_path, {"D": {"D_real": {"test": {"v": video("D_fake", ["v/1.png"])}}}})
    assert not samples(dataset)
    reasons = remarks(dataset, "unparsed")
    assert "label 'D_fake' contradicts its parent 'D_real'" in reasons["D/D_real/test/v in list.json"]


@pytest.mark.parametrize("prefix", ["", "deepfakes_detection_datasets/", "./datasets/rgb/", "datasets\\rgb\\"])
def test_back_slashes_and_a_prefix_that_is_not_on_disk(tmp_path: Path, prefix: str) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    content = ffdf(prefix)
    if "\\" in prefix:
        content = json.loads(json.dumps(content).replace("/", "\\\\"))
    assert set(samples(read(tmp_path, content))) == {*FAKES, *REALS}


def test_the_root_may_be_below_what_the_paths_share(tmp_path: Path) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    by_key = samples(read(tmp_path / "FaceForensics++", ffdf("x/")))
    assert set(by_key) == {path.partition("/")[2] for path in (*FAKES, *REALS)}


def test_frames_of_another_method_are_never_taken_for_the_ones_on_disk(tmp_path: Path) -> None:
    """Only what all paths share can be missing on disk: a folder that tells two methods apart cannot."""
    root = plant(tmp_path / "simswap", ["ff/frames/000/1.png"])
    one, two = (video(f"{name}_Fake", [f"DF40/{name}/ff/frames/000/1.png"]) for name in ("fsgan", "simswap"))
    dataset = read(root, {"D": {"fsgan_Fake": {"test": {"000": one}}, "simswap_Fake": {"test": {"000": two}}}})
    assert not samples(dataset)
    assert len(remarks(dataset, "missing")) == 2


@pytest.mark.parametrize("prefixes", [("", "x/"), ("x/", ""), ("x/", "y/z/"), (".\\\\datasets\\\\rgb\\\\", "")])
def test_prefixes_may_differ_between_labels(tmp_path: Path, prefixes: tuple[str, str]) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    content = ffdf()["FF-DF"]
    fakes = json.loads(json.dumps(content["FF-DF"]).replace('"Face', f'"{prefixes[0]}Face'))
    reals = json.loads(json.dumps(content["FF-real"]).replace('"Face', f'"{prefixes[1]}Face'))
    dataset = read(tmp_path, {"FF-DF": {"FF-DF": fakes, "FF-real": reals}})
    assert set(samples(dataset)) == {*FAKES, *REALS}
    assert not remarks(dataset, "error")


def test_prefixes_may_differ_within_a_video(tmp_path: Path) -> None:
    plant(tmp_path, FAKES)
    content = {"D": {"m": {"test": {"v": video("m", [FAKES[0], f"x/{FAKES[1]}"])}}}}
    assert set(samples(read(tmp_path, content))) == {*FAKES}


def test_a_list_of_other_frames_is_not_used(tmp_path: Path) -> None:
    plant(tmp_path, FAKES)
    dataset = read(tmp_path, ffdf())
    assert len(samples(dataset)) == 2
    with pytest.raises(ScanFailed, match="is left of FF-DF_real"):
        scan(dataset, tmp_path)
    plant(tmp_path, REALS)
    (tmp_path / FAKES[0]).unlink()
    with pytest.raises(ScanFailed, match=r"1 of 3 files that the list of .* names are missing"):
        scan(dataset, tmp_path)


def test_labels_that_contradict_the_folders_of_the_frames_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    fakes, reals = video("D_fake", REALS), video("D_real", FAKES)
    dataset = read(tmp_path, {"D": {"D_fake": {"test": {"v": fakes}}, "D_real": {"test": {"w": reals}}}})
    assert not samples(dataset)
    assert set(remarks(dataset, "conflict")) == {*FAKES, *REALS}
    assert "D/D_fake/test/v in list.json says fake, its folders do not" in remarks(dataset, "error")["list.json"]


@pytest.mark.parametrize("label", ["Real_World", "real2fake", "celebreal", "FaceSwap_original"])
def test_a_label_that_can_be_read_in_two_ways_is_asked(tmp_path: Path, label: str) -> None:
    plant(tmp_path, ["v/1.png"])
    content = {"D": {label: {"test": {"v": video(label, ["v/1.png"])}}}}
    with pytest.raises(ScanFailed, match=f"the label {label}: it ") as caught:
        scan(read(tmp_path, content), tmp_path)
    assert f'folder:real="{label}"' in caught.value.hint
    assert scan(read(tmp_path, content, real=label), tmp_path).real_categories == ("D_real",)
    assert scan(read(tmp_path, content, fake=label), tmp_path).by_category == {f"D_{label}": 1}


def test_paths_below_the_root_may_be_absolute(tmp_path: Path) -> None:
    plant(tmp_path, [*FAKES, *REALS])
    assert set(samples(read(tmp_path, ffdf(f"{tmp_path}/")))) == {*FAKES, *REALS}


def test_nothing_leaves_the_root(tmp_path: Path) -> None:
    plant(tmp_path, ["secret.png", "x/secret.png"])
    root = plant(tmp_path / "root", ["v/1.png"])
    (root / "v/link.png").symlink_to(tmp_path / "secret.png")
    (root / "out").symlink_to(tmp_path / "x")
    bad = ["../secret.png", "v/../../secret.png", "..\\secret.png", f"{tmp_path}/secret.png", "C:\\secret.png"]
    bad += [f"{root}/../secret.png", f"{root}x/secret.png", "v/link.png", "out/secret.png", "", "\0", "v/\0.png"]
    dataset = read(root, {"D": {"m": {"test": {"v": video("m", [*bad, 1, None, ["v/1.png"], "v/1.png"])}}}})
    found_remarks = [item for item in dataset if isinstance(item, Remark)]
    assert [remark.kind for remark in found_remarks] == ["unparsed"] * (len(bad) + 3)
    assert list(samples(dataset)) == ["v/1.png"]


def test_frames_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    plant(tmp_path, [FAKES[0]])
    dataset = read(tmp_path, ffdf())
    assert list(samples(dataset)) == [FAKES[0]]
    assert set(remarks(dataset, "missing")) == {FAKES[1], *REALS}


def test_a_video_without_frames(tmp_path: Path) -> None:
    plant(tmp_path, ["v/1.png"])
    dataset = read(tmp_path, {"D": {"m": {"test": {"v": video("m", ["v/1.png"]), "w": video("m", [])}}}})
    assert remarks(dataset, "missing") == {"D/m/test/w in list.json": "without frames"}


def test_a_frame_in_two_parts_of_the_split_counts_once(tmp_path: Path) -> None:
    plant(tmp_path, ["v/1.png"])
    twice = {"test": {"v": video("m", ["v/1.png"])}, "val": {"v": video("m", ["v/1.png"])}}
    dataset = read(tmp_path, {"D": {"m": twice}})
    assert [sample.split for sample in samples(dataset).values()] == ["test"]
    assert "D/m/test/v" in remarks(dataset, "conflict")["v/1.png"]


def test_a_split_that_holds_one_video_without_its_name(tmp_path: Path) -> None:
    plant(tmp_path, ["v/1.png"])
    dataset = read(tmp_path, {"D": {"m": {"val": video("m", ["v/1.png"])}}})
    assert [sample.split for sample in samples(dataset).values()] == ["val"]


@pytest.mark.parametrize(
    "content",
    [
        {"D": {"m": {"test": {"v": 1}}}},
        {"D": {"m": {"test": {"v": {"label": "m"}}}}},
        {"D": {"m": {"test": {"v": {"frames": ["v/1.png"]}}}}},
        {"D": {"m": {"test": {"v": {"label": 1, "frames": ["v/1.png"]}}}}},
        {"D": {"m": {"test": {"v": {"label": "m", "frames": "v/1.png"}}}}},
        {"v": {"label": "m", "frames": ["v/1.png"]}},
        [1],
        1,
        json.loads('{"a":' * 200 + "1" + "}" * 200),
    ],
)
def test_entries_that_are_not_videos_are_unparsed(tmp_path: Path, content: Any) -> None:
    plant(tmp_path, ["v/1.png"])
    dataset = read(tmp_path, content)
    assert remarks(dataset, "unparsed")
    assert not samples(dataset)
    with pytest.raises(ScanFailed):
        scan(dataset, tmp_path)


def test_a_json_that_is_invalid_or_does_not_exist(tmp_path: Path) -> None:
    plant(tmp_path, ["list.json"], "{")
    with pytest.raises(BadData, match="not readable JSON"):
        list(build("folder", tmp_path, json="list.json"))
    with pytest.raises(KCEError, match="no file nothing"):
        build("folder", tmp_path, json="nothing.json")
    with pytest.raises(KCEError, match="give one of them"):
        build("folder", tmp_path, json="list.json", csv="list.json")
    with pytest.raises(KCEError, match="no compression 'c99'"):
        build("folder", tmp_path, json="list.json", compression="c99")
