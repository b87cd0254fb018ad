"""What names say about labels, and when they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.data.label_words import FAKE, JUNK, REAL, SPLITS, read_label, read_name

REALS = [
    "real", "Real", "REALS", "original", "ORIGINAL", "originals", "original_sequences", "real_videos",
    "Real-Images", "real.videos", "realvideos", "genuine", "pristine", "authentic", "bonafide", "bona_fide",
    "BonaFide", "live", "nature", "training_real", "real_train", "TrainReal", "real_dataset", "0_real",
    "real_01", "real1", "real_SetB", "Celeb-real", "YouTube-real", "DFD_original_sequences", "DF_Platter_real",
    "A_real", "A_original", "FF-real", "mfa-real", "SimSwap_real", "DFDC_Real", "real_CelebDF", "reals_of_FF",
    "원본영상",
]  # fmt: skip
FAKES = [
    "fake", "Fakes", "fake_videos", "FakeImages", "manipulated_sequences", "synthesized", "forged", "attacks",
    "spoof", "altered", "training_fake", "fake_test", "1_fake", "Celeb-synthesis", "Celeb-fake",
    "DFD_manipulated_sequences", "A_fake", "simswap_Fake", "fake_FaceSwap", "Fake_from_Celeb-real", "generated",
    "ai", "변조영상",
]  # fmt: skip
NEITHER = [
    "FaceSwap", "surreal", "Unreal", "Realistic", "Realistic_Vision", "RealESRGAN", "Real3DPortrait",
    "LivePortrait", "Oliver", "DeepFakeDetection", "FakeAVCeleb", "ForgeryNet", "FakeApp", "Deepfakes",
    "DeepFakes", "WildDeepfake", "train", "images", "c23", "000_003", "A_x", "Talking_Head_Video", "natural",
    "montreal",
]  # fmt: skip
DOUBTFUL = [
    "real2fake", "sim2real", "celebreal", "CelebReal", "nonfake", "non_fake", "not-real", "hyper-real",
    "photo_real", "Real_World", "RealWorld", "real_faceswap", "original_FaceSwap", "face2face_original",
    "FaceSwap_original", "RealVideo-RealAudio", "whichfaceisreal", "real-tfr-1024-resized128",
]  # fmt: skip
BOTH = [
    "real_vs_fake", "Real-and-Fake-Face-Detection", "RealVideo-FakeAudio", "real_fake",
]  # fmt: skip


@pytest.mark.parametrize("name", REALS)
def test_names_of_reals(name: str) -> None:
    assert (read_name(name).truth, read_name(name).doubt) == (True, "")


@pytest.mark.parametrize("name", FAKES)
def test_names_of_forgeries(name: str) -> None:
    assert (read_name(name).truth, read_name(name).doubt) == (False, "")


@pytest.mark.parametrize("name", NEITHER)
def test_names_that_say_nothing_about_the_label(name: str) -> None:
    assert (read_name(name).truth, read_name(name).doubt) == (None, "")


@pytest.mark.parametrize("name", [*DOUBTFUL, *BOTH])
def test_names_that_can_be_read_in_two_ways_are_never_decided(name: str) -> None:
    reading = read_name(name)
    assert reading.truth is None
    assert reading.doubt
    assert reading.both == (name in BOTH)
    assert read_label(name) is None


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Training", "train"), ("valid", "val"), ("dev", "val"), ("public-test", "test"),
     ("selected_val", "val"), ("fake_test", "test"), ("TrainReal", "train"), ("train_test", ""), ("contest", "")],
)  # fmt: skip
def test_splits(name: str, split: str) -> None:
    assert read_name(name).split == split


@pytest.mark.parametrize(
    ("name", "stem"),
    [("DFD_original_sequences", "DFD"), ("DF_Platter_real", "DF_Platter"), ("Celeb-real", "Celeb"), ("A_real", "A"),
     ("real", ""), ("0_real", ""), ("real_A", "")],
)  # fmt: skip
def test_what_is_before_the_words(name: str, stem: str) -> None:
    assert read_name(name).stem == stem


def test_other_facts_about_names() -> None:
    assert {name for name in ("Deepfakes", "face_swap", "StyleGAN2", "MySwap", "Morgan") if read_name(name).method} == {
        "Deepfakes", "face_swap", "StyleGAN2", "MySwap"
    }  # fmt: skip
    assert {name for name in ("FFHQ", "CelebA-HQ", "FF++", "Celeb-DF-v2", "mine") if read_name(name).source} == {
        "FFHQ", "CelebA-HQ", "FF++", "Celeb-DF-v2"
    }  # fmt: skip
    numbers = ("000_003", "id0_id16_0000", "video12", "9f86d081884c", "c23", "FaceSwap", "face2face")
    assert {name for name in numbers if read_name(name).id and not read_name(name).general} == {*numbers[:4]}


@pytest.mark.parametrize(
    ("text", "truth"),
    [("REAL", True), ("Genuine", True), ("FF-real", True), ("FAKE", False), ("spoof", False), ("Deepfake", False),
     ("deep fake", False), ("perhaps", None), ("1", None), ("0", None), ("true", None), ("", None), ("FaceSwap", None)],
)  # fmt: skip
def test_labels_of_tables(text: str, truth: bool | None) -> None:
    assert read_label(text) is truth


@st.composite
def joined(draw: st.DrawFn, truth: bool) -> str:
    """A word for reals or forgeries among words that say nothing, written in any way."""
    around = st.lists(st.sampled_from(sorted((JUNK - {"photo"}) | SPLITS.keys())), max_size=2)
    words = [*draw(around), draw(st.sampled_from(sorted(REAL if truth else FAKE))), *draw(around)]
    words = [draw(st.sampled_from([word, word.upper(), word.title()])) for word in words]
    return draw(st.sampled_from(["_", "-", " ", "."])).join(words)


@given(st.booleans(), st.data())
def test_a_name_of_known_words_has_the_label_of_its_word(truth: bool, data: st.DataObject) -> None:
    assert read_name(data.draw(joined(truth))).truth is truth


@given(st.text(max_size=30))
def test_any_text_is_read_and_never_both_decided_and_in_doubt(text: str) -> None:
    reading = read_name(text)
    assert reading.truth is None or not reading.doubt
