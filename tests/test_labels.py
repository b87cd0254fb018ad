from __future__ import annotations

import numpy as np
import pytest

from kce.errors import BadData
from kce.labels import LabelParts, label_parts
from kce.types import Features


def rows(label: str, key: str) -> Features:
    return Features(np.array([key]), np.array([label]), np.array([""]), np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(
    ("label", "key", "parts"),
    [
        ("CelebDFv2_FaceSwapPRO", "CelebDFv2/a/b.mp4#3", LabelParts("CelebDFv2", "FaceSwapPRO")),
        ("Patch-wise_Face_Image_Forensics_PROGAN", "Patch-wise_Face_Image_Forensics/x.png",
         LabelParts("Patch-wise_Face_Image_Forensics", "PROGAN")),
        ("A_B_C", "elsewhere/x.png", LabelParts("A", "B_C")),
        ("A_B_C", "no-slash", LabelParts("A", "B_C")),
        ("alone", "x", LabelParts("", "alone")),
        ("FF_real", "FF/x", LabelParts("FF", "real")),
    ],
)  # fmt: skip
def test_a_label_is_split_after_its_dataset(label: str, key: str, parts: LabelParts) -> None:
    table = rows(label, key)
    assert label_parts(table) == {label: parts}
    assert table.dataset.tolist() == [parts.dataset]
    assert parts.real == (parts.method == "real")


@pytest.mark.parametrize("dtype", [np.str_, object], ids=["narrow", "wide, as text_array makes it"])
def test_a_label_of_two_datasets_is_refused(dtype: type) -> None:
    def table(*keys: str) -> Features:
        n = len(keys)
        return Features(
            np.array(keys, dtype), np.array(["A_b_c"] * n), np.array([""] * n), np.zeros((n, 2), np.float32)
        )

    assert label_parts(table("A/1.png", "A/2.png", "elsewhere/3.png")) == {"A_b_c": LabelParts("A", "b_c")}
    for keys in (("A/1.png", "A_b/2.png"), ("A_b/1.png", "x.png", "A/2.png")):
        with pytest.raises(
            BadData, match=r"A_b_c is ambiguous: .*'A' with the method 'b_c', and .*'A_b' with"
        ) as caught:
            label_parts(table(*keys))
        assert caught.value.hint
