"""Every built-in component passes every check of its kind, except for the known faults it declares.

The world, which makes its own tree, and RetinaFace, which needs weights, are checked in their own files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.hookspecs import KINDS
from kce.registry.registry import Registry
from kce.testing.base import Subject
from tests.support.conformance import failed_checks
from tests.support.planted import plant

REGISTRY = Registry.load(Path("/"))
A, B = "03c43aa43bf473f9a9c09b4b608619d3", "0339e05887ddaad1a72964d5d1ab88d3"
KODF = "003.딥페이크/1.Training/원천데이터/train_탐지방해"
TREES = {
    "FaceForensics++": [
        "original_sequences/youtube/c23/videos/000.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/FaceShifter/c23/videos/003_000.mp4",
    ],
    "DeepFakeDetection": [
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    ],
    "CelebDFv1": ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4", "YouTube-real/00000.mp4"],
    "CelebDFv2": ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4", "YouTube-real/00000.mp4"],
    "CelebDF++": ["Celeb-real/id1_0007.mp4", "Celeb-synthesis/FaceSwap/GHOST/id1_id2_0007.mp4"],
    "DeeperForensics": ["manipulated_videos/end_to_end/000_M101.mp4", "manipulated_videos/end_to_end/002_M004.mp4"],
    "DeepFakeMnist+": ["fake_dataset/blink/4063.mp4", "fake_dataset/yaw/4064.mp4"],
    "DeepfakeTIMIT": ["higher_quality/fadg0/sa1-video-fram1.avi", "lower_quality/fadg0/sa1-video-fram1.avi"],
    "FakeAVCeleb": [
        "RealVideo-RealAudio/African/men/id00076/00109.mp4",
        "FakeVideo-RealAudio/African/men/id00076/00109_1.mp4",
    ],
    "Patch-wise_Face_Image_Forensics": [
        "celebahq/real-tfr-1024-resized128/test/012345.png",
        "celebahq/pgan-pretrained-128-png/test/seed001_sample000000.png",
    ],
    "ForgeryNet": [f"Training/image/train_release/3/{A}/{B}/frame00019.jpg"],
    "ForgeryNetVideo": [f"Training/video/train_video_release/3/{A}/{B}/video.mp4"],
    "UADFV": ["real/0000.mp4", "fake/0000_fake.mp4"],
    "WildDeepfake": [f"{half}/1/{half[:4]}/131/942.png" for half in ("real_train", "fake_train")],
    "DFDC": ["dfdc_train_part_0/awnfpubqmo.mp4", "dfdc_train_part_0/lnhkjhyhvw.mp4", "dfdc_train_part_0/metadata.json"],
    "DFDCPreview": ["original_videos/2039250/2039250_A_001.mp4", "method_A/1224068/1224068_A_000_2039250.mp4"],
    "KoDF": [
        f"{KODF}/원본영상/01_원본영상/01_원본영상/0e23d546a5f952542a00_132.mp4",
        f"{KODF}/변조영상/01_변조영상/01_변조영상/0e23d546a5f952542a00_e37c8c26b0c1c0714c74_4_1680.mp4",
    ],
    "FFIW-10K": ["source/train/00000007.mp4", "target/train/00000007.mp4"],
    "OWDFA-40": ["0_Real_CelebDF/img_0001.png", "1_Swap_Deepfakes/img_0001.png"],
    "DiFF": ["DiFF_real/val/person_0001.jpg", "val/I2I/method_x/0001.jpg"],
    "DF-Platter": ["frames_C23/real/vid_0001/0001.jpg", "frames_C23/SetB/vid_0001/0001.jpg"],
    "DF40": ["DF40/simswap/ff/frames/993_989/131.png", "DF40/heygen/real/vid01/000.png"],
    "folder": ["A_FaceSwap/000/0001.png", "A_real/000/0001.png"],
}
TEXTS = {
    "dfdc_train_part_0/metadata.json": '{"awnfpubqmo.mp4": {"label": "FAKE", "split": "train", "original": '
    '"lnhkjhyhvw.mp4"}, "lnhkjhyhvw.mp4": {"label": "REAL", "split": "train"}}'
}
HEAVY = {
    *("xception", "timm", "resnet18", "resnet34", "resnet50", "f3net", "f3net-both", "f3net-fad", "f3net-lfs"),
    *("tsne", "affinity-propagation", "mean-shift", "optics", "ray"),
}
"""Checked with the slow tests; of each kind smaller ones are checked in every run."""
GIVEN = {
    ("backbone", "timm"): "timm:model=resnet18,size=32",
    **{("backbone", name): f"{name}:size=64" for name in ("xception", "resnet18", "resnet34", "resnet50")},
    **{("backbone", f"f3net{mode}"): f"f3net{mode}:size=64" for mode in ("", "-both", "-fad", "-lfs")},
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, marks=[pytest.mark.slow] if name in HEAVY else [], id=f"{kind}-{name}")
        for kind in KINDS
        for name in REGISTRY.names(kind)
        if kind != "dataset" and name != "retinaface"
    ],
)
def test_a_component_passes_its_checks(kind: str, name: str) -> None:
    assert failed_checks(Subject.create(kind, GIVEN.get((kind, name), name), {}, REGISTRY)) == {}


@pytest.mark.parametrize("name", [name for name in REGISTRY.names("dataset") if name != "world"])
def test_a_dataset_passes_its_checks(name: str, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for path in TREES[name]:
        plant(root, [path], TEXTS.get(path, ""))
    assert failed_checks(Subject.create("dataset", name, {"root": root}, REGISTRY)) == {}
