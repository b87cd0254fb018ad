"""The face folder as others read it, and the names it gives on the disk."""

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
from kce.errors import BadData, KCEError
from kce.faces import folder as faces
from kce.faces.folder import Row
from kce.system import atomic


def row(i: int = 0, **other: str) -> Row:
    key = f"D/v/{i}.mp4#3"
    made = Row(key, "D_Swap", "D", "Swap", "0", f"D/v/{i}.mp4", "a;b", "train", "3", "1.00 2.00 3.00 4.00", "0.9000",
               f"/data/v/{i}.mp4", faces.place("D_Swap", key), "0123456789abcdef")  # fmt: skip
    return made._replace(**other)


def write(folder: Path, *rows: Row | list[str], columns: tuple[str, ...] = Row._fields) -> Path:
    with (folder / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder


def test_the_columns_are_as_agreed() -> None:
    agreed = "key,category,dataset,method,real,group,identities,split,frame,box,score,source,file,hash"
    assert ",".join(Row._fields) == agreed


def test_what_is_read_is_what_stands_there(tmp_path: Path) -> None:
    names = 'a, "b"\n한국 [1].png'
    found = faces.read(write(tmp_path, row(0), row(1, key=names, real="1", category="D_real")))
    assert len(found) == 2
    assert found.key.tolist() == ["D/v/0.mp4#3", names]
    assert found.category.tolist() == ["D_Swap", "D_real"]
    assert found.real.tolist() == [False, True]
    assert found.group.tolist() == ["D/v/0.mp4", "D/v/1.mp4"]
    assert found.take(np.array([1])).key.tolist() == [names]
    assert found.take(found.real).file.tolist() == [row(1).file]


def test_a_table_without_rows_is_an_empty_folder(tmp_path: Path) -> None:
    found = faces.read(write(tmp_path))
    assert len(found) == 0
    assert faces.load(found, np.arange(0), 8).shape == (0, 8, 8, 3)


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
    with pytest.raises(BadData, match="does not lie in the folder"):
        faces.read(write(tmp_path, row(0), row(1, file=file)))


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "D_Swap").symlink_to(tmp_path / "else")
    with pytest.raises(BadData, match="leads out"):
        faces.read(write(tmp_path / "faces", row()))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(), row()], "twice"),
        ([row(real="yes")], "real is 'yes'"),
        ([["one field"]], "line 2: 1 fields"),
        ([[*row(), "one more"]], "line 2: 15 fields"),
    ],
)
def test_a_table_that_does_not_hold_what_it_should_is_bad_data(
    tmp_path: Path, rows: list[Row | list[str]], reason: str
) -> None:
    with pytest.raises(BadData, match=reason) as raised:
        faces.read(write(tmp_path, *rows))
    assert raised.value.hint


def test_other_columns_torn_text_and_other_bytes_are_bad_data(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="columns"):
        faces.read(write(tmp_path, columns=("key", "label")))
    for data in (b"", b"\xff\xfe\x00", (",".join(Row._fields) + '\n"torn').encode()):
        (tmp_path / "faces.csv").write_bytes(data)
        with pytest.raises(BadData):
            faces.read(tmp_path)


def test_a_folder_without_a_table_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match=r"faces\.csv") as raised:
        faces.read(tmp_path / "nowhere")
    assert "kce cut" in raised.value.hint
    (tmp_path / "cut.journal").touch()
    with pytest.raises(KCEError) as raised:
        faces.read(tmp_path)
    assert "goes on" in raised.value.hint


def test_the_mark_follows_keys_labels_groups_pictures_and_order(tmp_path: Path) -> None:
    base = faces.read(write(tmp_path, row(0), row(1)))
    marks = {base.mark()}
    for other in ({"key": "x"}, {"hash": "f" * 16}, {"category": "D_x"}, {"group": "g"}):
        marks.add(faces.read(write(tmp_path, row(0), row(1, **other))).mark())
    marks.add(base.take(np.array([1, 0])).mark())
    assert len(marks) == 6
    assert faces.read(write(tmp_path, row(0, score="0.1"), row(1, split="test"))).mark() == base.mark()


def test_loading_is_in_order_red_first_and_names_what_is_broken(tmp_path: Path) -> None:
    rows = [row(i) for i in range(20)]
    for i, one in enumerate(rows):
        path = tmp_path / one.file
        path.parent.mkdir(exist_ok=True)
        image = np.full((10 + i, 10 + i, 3), 5 * i, np.uint8)
        image[:, :, 0] = 250
        path.write_bytes(encode_png(image))
    found = faces.read(write(tmp_path, *rows))
    order = np.array([7, 3, 19, 3])
    pixels = faces.load(found, order, 16)
    assert (pixels.shape, pixels.dtype) == ((4, 16, 16, 3), np.uint8)
    assert pixels[:, 5, 5, 1].tolist() == [35, 15, 95, 15]
    assert (pixels[..., 0] == 250).all()
    data = (tmp_path / rows[3].file).read_bytes()
    (tmp_path / rows[3].file).write_bytes(data[:-20])
    with pytest.raises(BadData) as raised:
        faces.load(found, order, 16)
    assert rows[3].file in raised.value.message
    (tmp_path / rows[3].file).unlink()
    with pytest.raises(BadData, match="cannot be read"):
        faces.load(found, order, 16)


def test_reading_scales(tmp_path: Path) -> None:
    """60,000 rows in less than the tenth part of "a few seconds" for 600,000, and a lot of room."""
    faces_ = write(tmp_path, *(row(i) for i in range(60_000)))
    begin = time.process_time()
    found = faces.read(faces_)
    assert time.process_time() - begin < 3
    assert found.key.tolist() == [row(i).key for i in range(60_000)]
    tracemalloc.start()
    faces.read(faces_)
    assert tracemalloc.get_traced_memory()[1] < 2.5 * found.nbytes  # with all rows as Python's strings it is 3.6
    tracemalloc.stop()


def test_a_face_that_is_there_twice_is_found_however_far_apart(tmp_path: Path) -> None:
    rows = [row(i) for i in range(faces._AT_ONCE)]
    with pytest.raises(BadData, match=f"{row(7).key} is there twice"):
        faces.read(write(tmp_path, *rows, row(7)))
    with pytest.raises(BadData, match=rf"row {len(rows) + 1}: '\.\./a.png' does not lie in the folder"):
        faces.read(write(tmp_path, *rows, row(len(rows))._replace(file="../a.png")))


# ------------------------------------------------------------------------------------------------- names on the disk

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(category=NAMES, key=NAMES)
def test_every_name_is_harmless_on_every_file_system(category: str, key: str) -> None:
    place = faces.place(category, key)
    assert place.count("/") == 1
    assert faces._INSIDE.fullmatch(place)
    for part in place.split("/"):
        assert part.isprintable()
        assert not set(part) & set('<>:"/\\|?*')
        assert len(part.encode()) <= 130
        assert not part.startswith((".", " ", "-", "~"))
        assert not part.endswith((".", " "))
        assert part.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
        assert part.casefold() not in {"faces.csv", "problems.csv", "cut.toml", "cut.journal", ".lock"}


@given(st.lists(st.tuples(st.sampled_from(["D_a", "D_A", "D a/b", "D a_b"]), NAMES), unique=True, max_size=30))
def test_different_faces_lie_in_different_places_wherever_case_and_accents_are_not_told_apart(
    pairs: list[tuple[str, str]],
) -> None:
    keys = {key: category for category, key in pairs}
    places = {unicodedata.normalize("NFC", faces.place(category, key)).casefold() for key, category in keys.items()}
    assert len(places) == len(keys)


@given(st.sets(NAMES, max_size=30))
def test_different_categories_have_different_folders(names: set[str]) -> None:
    assert len({faces.place(name, "k").split("/")[0] for name in names}) == len(names)


@pytest.mark.parametrize("name", ["CelebDFv2_FaceSwapPRO", "FF++_real", "한국 [1] (b)", "é"])
def test_harmless_names_stay(name: str) -> None:
    assert faces.place(name, f"D/{name}.png").startswith(f"{name}/{name}.png~")


def test_a_file_that_holds_the_same_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic.write_atomic(path, b"1")
    os.utime(path, ns=(1, 1))
    atomic.write_atomic(path, b"1")
    assert path.stat().st_mtime_ns == 1
    atomic.write_atomic(path, b"2")
    assert path.read_bytes() == b"2"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
