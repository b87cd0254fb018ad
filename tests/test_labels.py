from __future__ import annotations

import numpy as np
import pytest

from kce.labels import Parts
from kce.labels import parts as parts_of
from kce.types import Features


def rows(label: str, key: str) -> Features:
    return Features(np.array([key]), np.array([label]), np.array([""]), np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(
    ("label", "key", "told"),
    [
        ("CelebDFv2_FaceSwapPRO", "CelebDFv2/a/b.mp4#3", Parts("CelebDFv2", "FaceSwapPRO")),
        ("Patch-wise_Face_Image_Forensics_PROGAN", "Patch-wise_Face_Image_Forensics/x.png",
         Parts("Patch-wise_Face_Image_Forensics", "PROGAN")),
        ("A_B_C", "elsewhere/x.png", Parts("A", "B_C")),
        ("A_B_C", "no-slash", Parts("A", "B_C")),
        ("alone", "x", Parts("", "alone")),
        ("FF_real", "FF/x", Parts("FF", "real")),
    ],
)  # fmt: skip
def test_a_label_is_cut_where_its_dataset_ends(label: str, key: str, told: Parts) -> None:
    table = rows(label, key)
    assert parts_of(table) == {label: told}
    assert table.dataset.tolist() == [told.dataset]
    assert told.real == (told.method == "real")
