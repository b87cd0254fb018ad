"""The paper's 31 categories, by the ids its tables use, from trees as the publishers ship them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import Sample
from tests.support.planted import build, plant

HASHES = f"{'0' * 31}1/{'0' * 31}2"
FORGERYNET = (
    "FaceShifter", "FS-GAN", "DeepFakes", "BlendFace", "MMReplacement", "DeepFakes-StarGAN-Stack",
    "Talking_Head_Video", "ATVG-Net", "StarGAN-BlendFace-Stack", "FOMM", "StyleGAN2", "MaskGAN", "StarGAN2", "SC-FEGAN",
    "DiscoFaceGAN",
)  # fmt: skip
FFPP = {
    "Deepfakes": "DeepFakes",
    "Face2Face": "Face2Face",
    "FaceShifter": "FaceShifter",
    "FaceSwap": "FaceSwap",
    "NeuralTextures": "NeuralTextures",
}
PATCHWISE = "Patch-wise_Face_Image_Forensics"
FAKEAV = "FakeVideo-RealAudio/African/men/id00076"
ROWS = {"1_id00001_faceswap.mp4": "faceswap", "2_id00002_x.mp4": "fsgan", "3_id00003_wavtolip.mp4": "wav2lip"}

# dataset -> one file of each category, and what the paper calls them
TREES: dict[str, dict[str, str]] = {
    "CelebDFv1": {"Celeb-synthesis/id0_id1_0000.mp4": "CelebDFv1_FaceSwapPRO"},
    "CelebDFv2": {"Celeb-synthesis/id0_id16_0000.mp4": "CelebDFv2_FaceSwapPRO"},
    "DeeperForensics": {"manipulated_videos/end_to_end/000_M101.mp4": "DeeperForensics_DF-VAE"},
    "DeepFakeMnist+": {"fake_dataset/surpise/4063.mp4": "DeepFakeMnist+_FOMM"},
    "DeepfakeTIMIT": {"higher_quality/fadg0/sa1-video-fram1.avi": "DeepfakeTIMIT_FaceSwap-GAN"},
    "DeepFakeDetection": {
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__meeting__ABCDEFGH.mp4": "DeepFakeDetection_FaceSwap"
    },
    "FaceForensics++": {
        f"manipulated_sequences/{folder}/c23/videos/000_003.mp4": f"FaceForensics++_{method}"
        for folder, method in FFPP.items()
    },
    "FakeAVCeleb": {
        f"{FAKEAV}/{file}": f"FakeAVCeleb_{ {'faceswap': 'FaceSwap', 'fsgan': 'FSGAN', 'wav2lip': 'Wav2Lip'}[method]}"
        for file, method in ROWS.items()
    },
    "ForgeryNet": {
        f"Training/image/train_release/{number}/{HASHES}/frame00019.jpg": f"ForgeryNet_{method}"
        for number, method in enumerate(FORGERYNET, 1)
    },
    PATCHWISE: {
        f"dataset/faces/{folder}-pretrained-128-png/test/seed001_sample000000.png": f"{PATCHWISE}_{method}"
        for folder, method in (("celebahq/pgan", "PROGAN"), ("ffhq/sgan2", "StyleGAN2"))
    },
}  # fmt: skip


@pytest.mark.parametrize("dataset", TREES)
def test_every_category_of_the_paper_bears_the_papers_id(tmp_path: Path, dataset: str) -> None:
    plant(tmp_path, TREES[dataset])
    if dataset == "FakeAVCeleb":
        header = "source,target1,target2,method,category,type,race,gender,path,\n"
        line = "id00076,id0000{0},-,{2},C,t,r,g,{1},FakeAVCeleb/" + FAKEAV + "\n"
        rows = [line.format(number, file, method) for number, (file, method) in enumerate(ROWS.items(), 1)]
        (tmp_path / "meta_data.csv").write_text(header + "".join(rows))
    found = {item.path: item.category for item in build(dataset, tmp_path) if isinstance(item, Sample)}
    assert {str(path.relative_to(tmp_path)): category for path, category in found.items()} == TREES[dataset]


def test_they_are_31() -> None:
    assert len({category for tree in TREES.values() for category in tree.values()}) == 31
