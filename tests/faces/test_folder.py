"""Reading a face folder, and the names of its files."""

from __future__ import annotations

import csv
import os
import time
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.data.pictures import encode_png
from kce.errors import BadData, KCEError, MachineFault
from kce.faces import folder
from kce.faces.file_names import INSIDE, face_path
from kce.faces.folder import load_pixels, read_faces
from kce.faces.tables import FaceRow
from kce.system import atomic


def row(i: int = 0, **other: str) -> FaceRow:
    key = f"D/v/{i}.mp4#3"
    made = FaceRow(key, "D_Swap", "D", "Swap", "0", f"D/v/{i}.mp4", "a;b", "train", "3", "1.00 2.00 3.00 4.00",
               "0.9000", f"/data/v/{i}.mp4", face_path("D_Swap", key), "0123456789abcdef", "1")  # fmt: skip
    return made._replace(**other)


def write(root: Path, *rows: FaceRow | list[str], columns: tuple[str, ...] = FaceRow._fields) -> Path:
    with (root / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return root


def test_the_columns_are_those_of_the_contract() -> None:
    columns = "key,category,dataset,method,real,group,identities,split,frame,box,score,source,file,hash,faces"
    assert ",".join(FaceRow._fields) == columns


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    names = 'a, "b"\n한국 [1].png'
    faces = read_faces(write(tmp_path, row(0), row(1, key=names, real="1", category="D_real")))
    assert len(faces) == 2
    assert faces.key.tolist() == ["D/v/0.mp4#3", names]
    assert faces.category.tolist() == ["D_Swap", "D_real"]
    assert faces.real.tolist() == [False, True]
    assert faces.group.tolist() == ["D/v/0.mp4", "D/v/1.mp4"]
    assert faces.take(np.array([1])).key.tolist() == [names]
    assert faces.take(faces.real).file.tolist() == [row(1).file]


def test_a_table_without_rows_is_an_empty_folder(tmp_path: Path) -> None:
    faces = read_faces(write(tmp_path))
    assert len(faces) == 0
    assert load_pixels(faces, np.arange(0), 8).shape == (0, 8, 8, 3)


@pytest.mark.parametrize(
    "file",
    [
        "../x.png",
        "/etc/x.png",
        "a/../../x.png",
        "a/b/x.png",
        "..\\x.png",
        "a\\x.png",
        "C:/x.png",
        "x.png",
        "a/x.sh",
        "./x.png",
        "",
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, file: str) -> None:
    with pytest.raises(BadData, match="is not a file in the folder"):
        read_faces(write(tmp_path, row(0), row(1, file=file)))


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "D_Swap").symlink_to(tmp_path / "else")
    with pytest.raises(BadData, match="leads out"):
        read_faces(write(tmp_path / "faces", row()))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(), row()], "occurs twice"),
        ([row(real="yes")], "real is 'yes'"),
        ([["one field"]], "line 2: 1 fields"),
        ([[*row(), "one more"]], "line 2: 16 fields"),
    ],
)
def test_a_table_with_invalid_rows_is_bad_data(tmp_path: Path, rows: list[FaceRow | list[str]], reason: str) -> None:
    with pytest.raises(BadData, match=reason) as raised:
        read_faces(write(tmp_path, *rows))
    assert raised.value.hint


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([row(category="A_real")], "a row of the category A_real has the dataset D, the method Swap and real 0"),
        ([row(real="1")], "category D_Swap has the dataset D, the method real and real 1"),
        ([row(category="D_real", method="youtube", real="1"), row(1)], None),
        (
            [row(), row(1, category="D_real", method="real")],
            "D_real is ambiguous: forgeries whose method is called real",
        ),
        (
            [row(category="D_real", method="real"), row(1, category="D_real", method="real", real="1")],
            "D_real is ambiguous: forgeries whose method is called real, and reals of the dataset 'D'",
        ),
        (
            [row(category="A_b_c", dataset="A", method="b_c"), row(1, category="A_b_c", dataset="A_b", method="c")],
            "A_b_c is ambiguous: the dataset 'A' with the method 'b_c', and the dataset 'A_b' with",
        ),
    ],
)
def test_a_category_is_one_dataset_and_method(tmp_path: Path, rows: list[FaceRow], why: str | None) -> None:
    root = write(tmp_path, *rows)
    if why is None:
        assert len(read_faces(root)) == len(rows)
        return
    with pytest.raises(BadData, match=why):
        read_faces(root)


def test_other_columns_and_damaged_text_are_bad_data(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="columns"):
        read_faces(write(tmp_path, columns=("key", "label")))
    for data in (b"", b"\xff\xfe\x00", (",".join(FaceRow._fields) + '\n"torn').encode()):
        (tmp_path / "faces.csv").write_bytes(data)
        with pytest.raises(BadData):
            read_faces(tmp_path)


def test_a_folder_without_a_table_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match=r"faces\.csv") as raised:
        read_faces(tmp_path / "nowhere")
    assert "kce cut" in raised.value.hint
    (tmp_path / "cut.journal").touch()
    with pytest.raises(KCEError) as raised:
        read_faces(tmp_path)
    assert "continues" in raised.value.hint


def test_the_hash_follows_keys_labels_groups_pictures_and_order(tmp_path: Path) -> None:
    base = read_faces(write(tmp_path, row(0), row(1)))
    hashes = {base.content_hash()}
    for other in ({"key": "x"}, {"hash": "f" * 16}, {"category": "D_x", "method": "x"}, {"group": "g"}):
        hashes.add(read_faces(write(tmp_path, row(0), row(1, **other))).content_hash())
    hashes.add(base.take(np.array([1, 0])).content_hash())
    assert len(hashes) == 6
    assert read_faces(write(tmp_path, row(0, score="0.1"), row(1, split="test"))).content_hash() == base.content_hash()


def test_loading_is_in_order_red_first_and_names_what_is_broken(tmp_path: Path) -> None:
    rows = [row(i) for i in range(20)]
    for i, one in enumerate(rows):
        path = tmp_path / one.file
        path.parent.mkdir(exist_ok=True)
        image = np.full((10 + i, 10 + i, 3), 5 * i, np.uint8)
        image[:, :, 0] = 250
        path.write_bytes(encode_png(image))
    faces = read_faces(write(tmp_path, *rows))
    order = np.array([7, 3, 19, 3])
    pixels = load_pixels(faces, order, 16)
    assert (pixels.shape, pixels.dtype) == ((4, 16, 16, 3), np.uint8)
    assert pixels[:, 5, 5, 1].tolist() == [35, 15, 95, 15]
    assert (pixels[..., 0] == 250).all()
    data = (tmp_path / rows[3].file).read_bytes()
    (tmp_path / rows[3].file).write_bytes(data[:-20])
    with pytest.raises(BadData) as raised:
        load_pixels(faces, order, 16)
    assert rows[3].file in raised.value.message
    (tmp_path / rows[3].file).unlink()
    with pytest.raises(MachineFault, match="is missing"):
        load_pixels(faces, order, 16)


def test_reading_scales(tmp_path: Path) -> None:
    """60,000 rows in less than the tenth part of "a few seconds" for 600,000, and a lot of room."""
    faces_ = write(tmp_path, *(row(i) for i in range(60_000)))
    begin = time.process_time()
    faces = read_faces(faces_)
    assert time.process_time() - begin < 3
    assert faces.key.tolist() == [row(i).key for i in range(60_000)]
    tracemalloc.start()
    read_faces(faces_)
    assert tracemalloc.get_traced_memory()[1] < 2.5 * faces.nbytes  # with all rows as Python's strings it is 3.6
    tracemalloc.stop()


def test_a_key_that_occurs_twice_is_found_however_far_apart(tmp_path: Path) -> None:
    rows = [row(i) for i in range(folder._ROWS_AT_ONCE)]
    with pytest.raises(BadData, match=f"{row(7).key} occurs twice"):
        read_faces(write(tmp_path, *rows, row(7)))
    with pytest.raises(BadData, match=rf"row {len(rows) + 1}: '\.\./a.png' is not a file in the folder"):
        read_faces(write(tmp_path, *rows, row(len(rows))._replace(file="../a.png")))


# ------------------------------------------------------------------------------------------------- names on the disk

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(category=NAMES, key=NAMES)
def test_every_name_is_valid_on_every_file_system(category: str, key: str) -> None:
    path = face_path(category, key)
    assert path.count("/") == 1
    assert INSIDE.fullmatch(path)
    for part in path.split("/"):
        assert part.isprintable()
        assert not set(part) & set('<>:"/\\|?*')
        assert len(part.encode()) <= 130
        assert not part.startswith((".", " ", "-", "~"))
        assert not part.endswith((".", " "))
        assert part.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
        assert part.casefold() not in {"faces.csv", "problems.csv", "cut.toml", "cut.journal", ".lock"}


@given(st.lists(st.tuples(st.sampled_from(["D_a", "D_A", "D a/b", "D a_b"]), NAMES), unique=True, max_size=30))
def test_different_faces_have_different_paths_where_case_and_accents_do_not_count(
    pairs: list[tuple[str, str]],
) -> None:
    keys = {key: category for category, key in pairs}
    paths = {unicodedata.normalize("NFC", face_path(category, key)).casefold() for key, category in keys.items()}
    assert len(paths) == len(keys)


@given(st.sets(NAMES, max_size=30))
def test_different_categories_have_different_folders(names: set[str]) -> None:
    assert len({face_path(name, "k").split("/")[0] for name in names}) == len(names)


@pytest.mark.parametrize("name", ["CelebDFv2_FaceSwapPRO", "FF++_real", "한국 [1] (b)", "é"])
def test_valid_names_are_kept(name: str) -> None:
    assert face_path(name, f"D/{name}.png").startswith(f"{name}/{name}.png~")


def test_a_file_with_the_same_content_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic.write_atomic(path, b"1")
    os.utime(path, ns=(1, 1))
    atomic.write_atomic(path, b"1")
    assert path.stat().st_mtime_ns == 1
    atomic.write_atomic(path, b"2")
    assert path.read_bytes() == b"2"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
