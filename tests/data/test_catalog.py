"""What datasets say about themselves, and which one a folder looks like."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kce import KCEError, Registry
from kce.data.catalog import describe_dataset, matching_datasets, suggest_dataset
from kce.data.root import WrongRoot
from tests.support.planted import plant

FFPP = ["original_sequences/youtube/c23/videos/071.mp4", "manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"]
CELEBDF = ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4"]


def test_a_dataset_is_described_without_being_built() -> None:
    registry = Registry.load(Path("/"))
    assert describe_dataset(registry, "CelebDFv2") == {
        "methods": "1",
        "media": "pictures, videos",
        "licence": "Terms to Use Celeb-DF, by form; non-commercial",
    }
    assert describe_dataset(registry, "FaceForensics++")["methods"] == "5"
    assert describe_dataset(registry, "FaceForensics++")["media"] == "pictures, videos"
    assert set(describe_dataset(registry, "world").values()) == {""}  # a function, which has no such attributes


def test_a_folder_looks_like_the_dataset_that_can_read_it(tmp_path: Path) -> None:
    registry = Registry.load(Path("/"))
    plant(tmp_path / "Celeb-DF-v2", CELEBDF)
    plant(tmp_path / "ff", FFPP)
    plant(tmp_path / "nothing", ["a/b.txt"])
    assert "CelebDFv2" in matching_datasets(tmp_path / "Celeb-DF-v2", registry)
    assert "CelebDFv1" not in matching_datasets(tmp_path / "Celeb-DF-v2", registry)
    assert matching_datasets(tmp_path / "ff", registry) == ["FaceForensics++"]
    assert matching_datasets(tmp_path / "nothing", registry) == []


def test_folder_names_alone_decide_where_nothing_can_be_read(tmp_path: Path) -> None:
    plant(tmp_path / "x", [f"original_sequences/{n}.mp4" for n in range(3)])
    assert matching_datasets(tmp_path / "x", Registry.load(Path("/"))) == ["DeepFakeDetection", "FaceForensics++"]


def test_only_errors_about_a_root_get_a_suggestion(tmp_path: Path) -> None:
    registry = Registry.load(Path("/"))
    plant(tmp_path / "ff", FFPP)
    with (
        pytest.raises(WrongRoot, match=r"does not look like CelebDFv2.*; it looks like FaceForensics\+\+") as caught,
        suggest_dataset(registry, "CelebDFv2", tmp_path / "ff"),
    ):
        registry.build("dataset", "CelebDFv2", root=tmp_path / "ff")
    assert "kce scan FaceForensics++ --root" in caught.value.hint
    with pytest.raises(KCEError) as other, suggest_dataset(registry, "CelebDFv2", tmp_path / "ff"):
        raise KCEError("as it is", "so")
    assert str(other.value) == "as it is\nhint: so"


# --- on the command line

Kce = Callable[..., subprocess.CompletedProcess[str]]


def test_a_wrong_root_says_what_it_looks_like(at: Path, kce_here: Kce) -> None:
    plant(at, FFPP)
    done = kce_here("scan", "CelebDFv2", "--root", ".")
    assert done.returncode == 2
    assert "it looks like FaceForensics++" in done.stderr
    assert "hint: try `kce scan FaceForensics++ --root .`" in done.stderr


def test_datasets_are_listed_with_what_they_are(kce_here: Kce) -> None:
    done = kce_here("list", "dataset")
    (row,) = (line for line in done.stdout.splitlines() if "CelebDFv2" in line)
    assert "videos" in row
    assert "Terms to Use Celeb-DF" in row
    assert "licence" not in kce_here("list", "clusterer").stdout


def test_a_scan_by_another_split(at: Path, kce_here: Kce, kce_json: Callable[..., Any]) -> None:
    plant(at, [f"ff/original_sequences/youtube/c23/videos/{n:03}.mp4" for n in range(40)])
    pairs = [(n, n ^ 1) for n in range(40)]
    plant(at, [f"ff/manipulated_sequences/Deepfakes/c23/videos/{a:03}_{b:03}.mp4" for a, b in pairs])
    report = kce_json("scan", "FaceForensics++", "--root", "ff", "--split", "disjoint", "--seed", "3")
    assert report["by_split"] == {"train": 64, "val": 8, "test": 8}
    assert report["leaks"] == []
    table = kce_here("scan", "FaceForensics++", "--root", "ff", "--split", "official").stdout
    assert "-960" in table  # of 1000 reals
    assert "official split: 0 samples dropped, 0 leaks" in table
    refused = kce_here("scan", "FaceForensics++", "--root", "ff", "--split", "disjoin")
    assert refused.returncode == 2
    assert "Did you mean 'disjoint'" in refused.stderr


def test_a_split_does_not_vouch_for_samples_whose_recordings_are_unknown(
    at: Path, kce_here: Kce, kce_json: Callable[..., Any]
) -> None:
    frames = [f"flat/A_Swap/{video:03}_{frame}.png" for video in range(10) for frame in range(6)]
    plant(at, [*frames, "flat/real/1.png"])
    rows = [f"{frame.removeprefix('flat/')},fake,A,Swap," for frame in frames]
    (at / "flat/list.csv").write_text(
        "\n".join(["path,label,dataset,method,group", *rows, "real/1.png,real,A,real,a:1"])
    )
    command = ("scan", "folder:csv=list.csv", "--root", "flat")
    report = kce_json(*command, "--split", "disjoint")
    assert (report["samples"], report["unknown_recordings"], report["split"]["unknown"]) == (61, 60, 60)
    text = kce_here(*command, "--split", "disjoint").stdout
    assert "60 samples whose recording is unknown" in text
    assert "0 leaks among the 1 samples that name a recording or a person" in text
    assert "whether recordings of the other 60 are in several splits is not known" in text
