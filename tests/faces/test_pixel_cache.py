"""The cache of decoded faces: the same pixels with and without it, whatever happens to its files."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kce.faces import loader, pixel_cache
from kce.faces.folder import Faces, load_pixels, read_faces
from kce.faces.loader import Pixels
from kce.faces.pixel_cache import PixelCache, place_bytes, remove_pixel_cache
from kce.faces.tables import FaceRow, read_csv_table, write_csv_table
from tests.support.corpus import face_folder

SIZE = 24


@pytest.fixture(scope="module")
def faces_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_folder(tmp_path_factory.mktemp("corpus"), count=4)


@pytest.fixture
def faces(faces_at: Path) -> Faces:
    return read_faces(faces_at)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that were decoded, in order."""
    rows: list[int] = []

    def counting(faces: Faces, which: Any, *rest: Any, **more: Any) -> Any:
        rows.extend(which.tolist())
        return load_pixels(faces, which, *rest, **more)

    monkeypatch.setattr(loader, "load_pixels", counting)
    return rows


@pytest.fixture(autouse=True)
def _nothing_was_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_cache, "_warned", set())


class Place(NamedTuple):
    folder: Path
    limit: int = 2**30

    def pixels(self, faces: Faces, size: int = SIZE, view: str = "", of: Faces | None = None) -> Pixels:
        """As a process has them that was just started, with memory for no face."""
        shared = PixelCache(self.folder, self.limit).of(of or faces)
        return Pixels(faces, size, 0, view, shared)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.pixels"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "pixel-cache")


def every(faces: Faces) -> Any:
    return np.arange(len(faces))


@pytest.mark.parametrize("size", [1, SIZE, 64])
@pytest.mark.parametrize("view", ["", "jpeg30"])
def test_the_pixels_are_those_of_decoding_and_no_face_is_decoded_twice(
    faces: Faces, place: Place, decoded: list[int], size: int, view: str
) -> None:
    rows = np.random.default_rng(0).permutation(len(faces)).repeat(2)
    wanted = Pixels(faces, size, 0, view).read(rows)
    decoded.clear()
    np.testing.assert_array_equal(
        place.pixels(faces, size, view).read(rows[: len(rows) // 2]), wanted[: len(rows) // 2]
    )
    np.testing.assert_array_equal(place.pixels(faces, size, view).read(rows), wanted)
    assert sorted(set(decoded)) == every(faces).tolist()
    decoded.clear()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(place.pixels(faces, size, view))).read(rows), wanted)  # noqa: S301 - made here
    assert decoded == []


def test_runs_with_other_faces_of_the_folder_share_a_file(faces: Faces, place: Place, decoded: list[int]) -> None:
    some = faces.take(np.arange(0, len(faces), 2))
    place.pixels(some, of=faces).read(every(some))
    decoded.clear()
    backwards = faces.take(every(faces)[::-1])
    np.testing.assert_array_equal(
        place.pixels(backwards, of=faces).read(every(faces)), Pixels(faces, SIZE, 0).read(every(faces))[::-1]
    )
    assert len(place.files) == 1
    assert (
        len(decoded) == len(faces) + len(faces) // 2
    )  # the second half of `some` is there; the rest is decoded for both


def test_sizes_views_and_other_faces_have_their_own_files(faces: Faces, place: Place) -> None:
    place.pixels(faces).read(every(faces))
    place.pixels(faces, SIZE + 1).read(every(faces))
    place.pixels(faces, view="jpeg30").read(every(faces))
    fewer = faces.take(np.arange(5))
    place.pixels(fewer).read(np.arange(5))
    assert len(place.files) == 4


def test_it_is_said_how_many_faces_have_a_place(faces: Faces, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "kce"):
        place._replace(limit=3 * place_bytes(SIZE)).pixels(faces).read(every(faces))
    assert caplog.messages == [f"3 of {len(faces)} faces of {SIZE} px have a place in {place.folder}"]


@pytest.mark.parametrize("room", [0, 1, 7, 10**6])
def test_the_files_never_take_more_than_the_limit(faces: Faces, tmp_path: Path, decoded: list[int], room: int) -> None:
    place = Place(tmp_path / "pixel-cache", room * place_bytes(SIZE) + 5)
    for pixels in (place.pixels(faces), place.pixels(faces, 12), place.pixels(faces)):
        wanted = Pixels(faces, pixels.size, 0).read(every(faces))
        np.testing.assert_array_equal(pixels.read(every(faces)), wanted)
        assert sum(path.stat().st_size for path in place.files) <= place.limit
    decoded.clear()
    place.pixels(faces).read(every(faces))
    assert len(decoded) == max(len(faces) - room, 0)


def test_with_another_limit_the_files_shrink_and_grow(faces: Faces, place: Place, decoded: list[int]) -> None:
    place.pixels(faces).read(every(faces))
    for room in (3, 8):
        small = place._replace(limit=room * place_bytes(SIZE))
        small.pixels(faces).read(every(faces))
        assert [path.stat().st_size for path in place.files] == [small.limit]
    decoded.clear()
    place._replace(limit=8 * place_bytes(SIZE)).pixels(faces).read(every(faces))
    assert len(decoded) == len(faces) - 8


@pytest.mark.parametrize("position", [0, 15, 16, 1000, place_bytes(SIZE) + 3, -1])
def test_a_face_that_is_not_whole_is_decoded_again(
    faces: Faces, place: Place, decoded: list[int], position: int
) -> None:
    wanted = Pixels(faces, SIZE, 0).read(every(faces))
    place.pixels(faces).read(every(faces))
    data = bytearray(place.files[0].read_bytes())
    data[position] ^= 1
    place.files[0].write_bytes(data)
    decoded.clear()
    for _ in range(2):
        np.testing.assert_array_equal(place.pixels(faces).read(every(faces)), wanted)
    assert len(decoded) == 1


def test_a_file_that_was_cut_short_or_emptied_is_filled_again(
    faces: Faces, place: Place, decoded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = Pixels(faces, SIZE, 0).read(every(faces))
    for length in (0, 1, place_bytes(SIZE) * 2 + 100):
        using = place.pixels(faces)
        using.read(every(faces))
        os.truncate(place.files[0], length)
        decoded.clear()
        np.testing.assert_array_equal(using.read(every(faces)), wanted)  # while it is open
        assert len(decoded) == len(faces) - length // place_bytes(SIZE)
        os.truncate(place.files[0], length)
        np.testing.assert_array_equal(place.pixels(faces).read(every(faces)), wanted)
    assert not caplog.records


def test_pixels_of_another_face_are_not_taken_for_its_own(faces: Faces, place: Place, decoded: list[int]) -> None:
    place.pixels(faces).read(every(faces))
    data, each = place.files[0].read_bytes(), place_bytes(SIZE)
    place.files[0].write_bytes(data[each:] + data[:each])
    decoded.clear()
    np.testing.assert_array_equal(place.pixels(faces).read(every(faces)), Pixels(faces, SIZE, 0).read(every(faces)))
    assert len(decoded) == 2 * len(faces)


def test_what_a_changed_png_shows_is_never_stored(faces_at: Path, tmp_path: Path, place: Place) -> None:
    shutil.copytree(faces_at, tmp_path / "faces")
    faces = read_faces(tmp_path / "faces")
    true = Pixels(faces, SIZE, 0).read(np.arange(2))
    first, second = (faces.root / faces.file[row] for row in (0, 1))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    for _ in range(2):  # as without a cache
        np.testing.assert_array_equal(place.pixels(faces).read(np.arange(2)), true[[1, 1]])
    first.write_bytes(kept)
    np.testing.assert_array_equal(place.pixels(faces).read(np.arange(2)), true)


def test_a_hash_as_no_cut_writes_it_is_decoded_each_time(
    faces_at: Path, tmp_path: Path, place: Place, decoded: list[int]
) -> None:
    root = shutil.copytree(faces_at, tmp_path / "faces")
    (root / "cut.toml").unlink(missing_ok=True)  # the folder is the user's own now
    rows = [FaceRow(*fields) for fields in read_csv_table(root / "faces.csv", FaceRow._fields)]
    for row, odd in enumerate(("", "0x12345678901234", "../../etc/passwd")):
        rows[row] = rows[row]._replace(hash=odd)
    write_csv_table(root / "faces.csv", FaceRow._fields, rows)
    faces = read_faces(root)
    for _ in range(2):
        place.pixels(faces).read(every(faces))
    assert sorted(decoded) == sorted([*range(len(faces)), 0, 1, 2])


def a_link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def a_hard_link(path: Path, other: Path) -> None:
    path.unlink()
    os.link(other, path)


def a_pipe(path: Path, other: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


def a_linked_folder(path: Path, other: Path) -> None:
    shutil.rmtree(path.parent)
    (other.parent / path.name).write_bytes(b"mine")
    path.parent.symlink_to(other.parent)


PLANTED = [a_link, a_hard_link, a_pipe, a_folder]


@pytest.mark.parametrize(
    ("plant", "opened"), [*((plant, opened) for plant in PLANTED for opened in (False, True)), (a_linked_folder, False)]
)
def test_what_is_planted_in_its_place_is_neither_read_nor_written(
    faces: Faces,
    tmp_path: Path,
    plant: Callable[[Path, Path], None],
    opened: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place(tmp_path / "runs" / "pixel-cache")
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "file"
    other.write_bytes(b"precious" * 10**4)
    wanted = Pixels(faces, SIZE, 0).read(every(faces))
    pixels = place.pixels(faces)
    pixels.read(every(faces))
    plant(place.files[0], other)
    before = {path: path.read_bytes() for path in other.parent.iterdir()}
    for _ in range(2):
        np.testing.assert_array_equal((pixels if opened else place.pixels(faces)).read(every(faces)), wanted)
    assert {path: path.read_bytes() for path in other.parent.iterdir()} == before
    assert len(caplog.records) == 1
    assert "faces are decoded instead" in caplog.text
    remove_pixel_cache(place.folder)
    assert {path: path.read_bytes() for path in other.parent.iterdir()} == before


def test_a_cache_that_vanishes_is_warned_of_once(
    faces: Faces, place: Place, caplog: pytest.LogCaptureFixture, decoded: list[int]
) -> None:
    pixels = place.pixels(faces)
    wanted = pixels.read(every(faces))
    shutil.rmtree(place.folder)
    for _ in range(3):
        np.testing.assert_array_equal(pixels.read(every(faces)), wanted)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "it does not exist" in caplog.text
    assert len(decoded) == 4 * len(faces)


def test_a_full_disk_ends_the_writing_and_not_the_reading(
    faces: Faces, place: Place, caplog: pytest.LogCaptureFixture, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = place.pixels(faces)
    pixels.read(np.arange(3))
    monkeypatch.setattr(pixel_cache, "SPARE", 2**80)
    wanted = Pixels(faces, SIZE, 0).read(every(faces))
    decoded.clear()
    for _ in range(2):
        np.testing.assert_array_equal(pixels.read(every(faces)), wanted)
    assert len(decoded) == 2 * (len(faces) - 3)
    assert len(caplog.records) == 1
    assert "of the disk are left" in caplog.text


def fill(shared: Any, faces: Faces, start: Any) -> None:
    start.wait()
    pixels = Pixels(faces, SIZE, 0, "", shared)
    for rows in np.array_split(np.random.default_rng(os.getpid()).permutation(len(faces)), 8):
        pixels.read(rows)


def test_processes_that_fill_it_together_or_are_killed_leave_it_whole(
    faces: Faces, place: Place, decoded: list[int]
) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    shared = PixelCache(place.folder, place.limit).of(faces)
    workers = [context.Process(target=fill, args=(shared, faces, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait(60)
    workers[0].kill()
    for worker in workers:
        worker.join(60)
    assert workers[1].exitcode == 0
    np.testing.assert_array_equal(place.pixels(faces).read(every(faces)), Pixels(faces, SIZE, 0).read(every(faces)))
    assert len(decoded) == len(faces)  # by the second one here
    assert len(place.files) == 1


def test_it_is_removed_but_not_what_else_is_in_its_folder(faces: Faces, place: Place) -> None:
    place.pixels(faces).read(every(faces))
    (place.folder / "mine.txt").write_text("mine")
    remove_pixel_cache(place.folder)
    assert [path.name for path in place.folder.iterdir()] == ["mine.txt"]
    (place.folder / "mine.txt").unlink()
    place.pixels(faces).read(every(faces))
    remove_pixel_cache(place.folder)
    remove_pixel_cache(place.folder)
    assert not place.folder.exists()
