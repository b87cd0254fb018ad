"""Packed face folders: the same faces in a few files, for every reader, whatever happens to them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kce.data import shards
from kce.data.packed import INDEX, TABLE, encode_index, find_packed, is_packed, packed_faces
from kce.data.pictures import read_image, read_picture_file
from kce.data.scan import scan
from kce.data.shards import PackedFace, ShardFile, encode_face, face_id, scan_shard, shard_name
from kce.errors import BadData, KCEError, MachineFault, Refused
from kce.faces.degrade import Artefact, degrade_faces
from kce.faces.face_store import face_reader
from kce.faces.folder import Faces, load_pixels, read_faces
from kce.faces.loader import Pixels
from kce.faces.pack import PACKING, pack_faces
from kce.registry.registry import Registry
from kce.system.append import GrowingFile
from kce.system.lock import file_lock
from kce.system.os_errors import is_missing
from kce.system.regular import NotRegular
from kce.types import Sample
from tests.conftest import REPOSITORY
from tests.faces.conftest import PLUGIN
from tests.faces.test_cut import Corpus, contents, quick

TABLES = ("faces.csv", "problems.csv")
SOME = 7  # faces in a shard, here
MOMENTS = [0, 16, 19, 44, 50]  # amid a picture, amid a video and at the end of a shard, amid one, at the end


@pytest.fixture(autouse=True)
def few_faces_in_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kce.faces.pack.FACES_PER_SHARD", SOME)
    monkeypatch.setattr("kce.faces.shard_store.FACES_PER_SHARD", SOME)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and videos, and their faces as single files."""
    at = tmp_path_factory.mktemp("made")
    plugin = at / "home" / "plugins" / "half.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PLUGIN)
    (at / "home" / "registry.toml").write_text('[detector.half]\nuse = "half:half"\n')
    quick(Corpus(at / "data"), at / "single", at / "home")
    return at


@pytest.fixture
def corpus(made: Path) -> Corpus:
    """24 pictures, and 4 videos of which 5 frames are cut."""
    return Corpus(made / "data", write=False)


@pytest.fixture
def single(made: Path, tmp_path: Path) -> Path:
    """The faces as single files."""
    shutil.copytree(made / "single", tmp_path / "single")
    return tmp_path / "single"


@pytest.fixture
def packed(single: Path, tmp_path: Path) -> Path:
    """The same faces, packed."""
    pack_faces(single, tmp_path / "packed")
    return tmp_path / "packed"


def visible(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if not name.startswith(".")}


def pngs(faces: Faces) -> list[bytes]:
    return [read_picture_file(faces.root / file) for file in faces.file.tolist()]


def same_faces(one: Path, other: Path) -> None:
    """Both folders have the same tables and the same pictures, and of each exactly one copy."""
    for name in TABLES:
        assert (one / name).read_bytes() == (other / name).read_bytes()
    first, second = read_faces(one), read_faces(other)
    assert pngs(first) == pngs(second)
    for folder in (one, other):
        if sizes := shards.shard_sizes(folder):
            whole = [scan_shard(folder / shard_name(number), number) for number in sizes]
            assert all(found.whole for found in whole)
            ids = [face.id for found in whole for face in found.faces]
            assert sorted(ids) == sorted(map(face_id, first.file.tolist()))


def damage(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


# ------------------------------------------------------------------------------------------------- the same everywhere


def test_a_packed_folder_has_the_same_faces_in_a_few_files(single: Path, packed: Path) -> None:
    same_faces(single, packed)
    names = set(visible(packed))
    numbers = range(-(-44 // SOME))
    assert names == {"faces.csv", "problems.csv", "cut.toml", INDEX, *(shard_name(n) for n in numbers)}
    plain, there = read_faces(single), read_faces(packed)
    assert plain.content_hash() == there.content_hash()  # so features and weights made from either are the same
    order = np.random.default_rng(0).permutation(len(plain))
    assert np.array_equal(load_pixels(plain, order, 16), load_pixels(there, order, 16))


def test_shards_are_plain_tar_files_that_always_have_the_same_bytes(single: Path, packed: Path, tmp_path: Path) -> None:
    pack_faces(single, tmp_path / "again")
    assert visible(packed) == visible(tmp_path / "again")
    faces = read_faces(packed)
    with tarfile.open(packed / shard_name(0)) as tar:
        members = tar.getmembers()
        assert [member.name.rpartition(".")[2] for member in members] == ["png", "json"] * SOME
        assert {(m.mtime, m.uid, m.gid, m.uname, m.isreg()) for m in members} == {(0, 0, 0, "", True)}
        lines = [json.loads(tar.extractfile(member).read()) for member in members[1::2]]  # type: ignore[union-attr]
    assert [line["key"] for line in lines] == faces.key[:SOME].tolist()


def test_webdataset_reads_every_face_with_its_labels(single: Path, packed: Path) -> None:
    code = """
import glob, hashlib, json, sys, webdataset
shards = sorted(glob.glob(sys.argv[1] + "/*.tar"))
for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"):
    digest = hashlib.md5(sample["png"].tobytes()).hexdigest()
    print(json.dumps([sample["__key__"], sample["json"], sample["png"].shape, digest]))
"""
    # In a process of its own, because it leaves its files open.
    done = subprocess.run([sys.executable, "-c", code, packed], capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    faces = read_faces(single)
    assert len({key for key, *_ in found}) == len(faces)
    assert [row["key"] for _, row, *_ in found] == faces.key.tolist()
    assert [row["category"] for _, row, *_ in found] == faces.category.tolist()
    for (*_, shape, digest), file in zip(found, faces.file.tolist(), strict=True):
        image = read_image(single / file)
        assert (image.shape, hashlib.md5(image.tobytes()).hexdigest()) == (tuple(shape), digest)  # noqa: S324


def test_a_packed_folder_is_a_dataset_too(single: Path, packed: Path, tmp_path: Path, home: Path) -> None:
    reports = []
    for folder in (single, packed):
        dataset = Registry.load(REPOSITORY).build("dataset", "folder", root=folder)
        assert all(isinstance(item, Sample) and is_packed(str(item.path)) == (folder == packed) for item in dataset)
        reports.append(scan(dataset, folder, decode=True))
        quick(dataset, tmp_path / f"cut {folder.name}", home, detector="whole")
    assert reports[0].by_category == reports[1].by_category
    assert [report.corrupt for report in reports] == [(), ()]
    tables = [(tmp_path / f"cut {folder.name}" / "faces.csv").read_text("utf-8") for folder in (single, packed)]
    assert tables[0] == tables[1].replace(str(packed), str(single))


def test_packed_faces_can_be_degraded(single: Path, packed: Path, tmp_path: Path) -> None:
    for folder in (single, packed):
        degrade_faces(folder, tmp_path / f"worse {folder.name}", {"D": Artefact("jpeg", 0.5)}, 0)
    assert contents(tmp_path / "worse single") == contents(tmp_path / "worse packed")


def test_another_process_reads_them(single: Path, packed: Path) -> None:
    import multiprocessing

    rows = np.arange(20)
    expected = Pixels(read_faces(single), 16).read(rows)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(Pixels.read, (Pixels(read_faces(packed), 16), rows)), expected)


def test_as_few_shards_stay_open_as_are_allowed(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    monkeypatch.setattr("kce.data.packed._OPEN", 2)
    monkeypatch.setattr(
        "kce.data.packed.ShardFile", lambda path: opened.append(0) or ShardFile(path)
    )  # by another name: where it is defined, nothing changes
    os.utime(packed / INDEX, ns=(0, 0))  # so that it is read again
    faces, before = read_faces(packed), len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        load_pixels(faces, np.arange(len(faces)), 8)
    assert len(opened) >= 3 * len(shards.shard_sizes(packed))
    assert len(list(Path("/dev/fd").iterdir())) <= before + 2


def test_without_pread_threads_read_the_same(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pngs(read_faces(packed))
    monkeypatch.delattr(os, "pread")
    os.utime(packed / INDEX, ns=(0, 0))
    assert pngs(read_faces(packed)) == expected


# -------------------------------------------------------------------------------------------------------------- cutting


def test_cutting_packed_gives_the_same_faces(corpus: Corpus, single: Path, tmp_path: Path, home: Path) -> None:
    report = quick(corpus, tmp_path / "a", home, pack=True)
    assert report == quick(corpus, single, home)
    same_faces(single, tmp_path / "a")
    before = contents(tmp_path / "a")
    assert quick(corpus, tmp_path / "a", home) == report  # a packed folder stays packed
    assert contents(tmp_path / "a") == before
    pack_faces(single, tmp_path / "b")
    assert visible(tmp_path / "a") == visible(tmp_path / "b")  # in one go, even the same bytes


def test_a_packed_folder_grows_like_the_other(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    other = [Sample(s.key, s.path, "E", s.method, s.real) for s in corpus if isinstance(s, Sample)]
    for number in (3, 8, None):
        for dataset in (corpus, other):
            for folder, pack in (("single", False), ("packed", True)):
                quick(dataset, tmp_path / folder, home, per_category=number, pack=pack)
            same_faces(tmp_path / "single", tmp_path / "packed")


def test_new_labels_reach_the_shards(corpus: Corpus, packed: Path, home: Path) -> None:
    corpus.samples = [
        Sample(s.key, s.path, s.dataset, s.method, s.real, group="new") for s in corpus if isinstance(s, Sample)
    ]
    quick(corpus, packed, home)
    with tarfile.open(packed / shard_name(2)) as tar:
        lines = [json.loads(tar.extractfile(name).read()) for name in tar.getnames()[1::2]]  # type: ignore[union-attr]
    assert {line["group"] for line in lines} == {"new"}
    assert len(pngs(read_faces(packed))) == 44


def test_packing_into_single_files_is_refused(corpus: Corpus, single: Path, home: Path) -> None:
    before = contents(single)
    with pytest.raises(Refused, match="single files") as raised:
        quick(corpus, single, home, pack=True)
    assert "kce pack" in raised.value.hint
    assert contents(single) == before


class Stop(BaseException):
    """Ends a cut or a pack as a kill would: nothing that catches errors sees it."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_cut_that_stops_anywhere_ends_with_the_same_bytes(
    corpus: Corpus, tmp_path: Path, home: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    quick(corpus, whole, home, pack=True)
    numbers, append = count(), GrowingFile.append

    def stopping(self: GrowingFile, data: bytes) -> None:
        if next(numbers) == moment:
            append(self, data[: len(data) // 2])
            raise Stop
        append(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(GrowingFile, "append", stopping)
        with pytest.raises(Stop):
            quick(corpus, tmp_path / "a", home, pack=True)
    quick(corpus, tmp_path / "a", home, pack=True)
    assert contents(tmp_path / "a") == contents(whole)


# -------------------------------------------------------------------------------------------------------------- packing


@pytest.mark.parametrize("moment", [0, 1, 20, 44])
def test_a_pack_that_stops_anywhere_ends_with_the_same_bytes(
    single: Path, packed: Path, tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, encode = count(), encode_face

    def stopping(*arguments: Any) -> bytes:
        if next(numbers) == moment:
            raise Stop
        return encode(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("kce.faces.shard_store.encode_face", stopping)
        if moment < 44:
            with pytest.raises(Stop):
                pack_faces(single, tmp_path / "a")
            with pytest.raises(KCEError):
                read_faces(tmp_path / "a")
    report = pack_faces(single, tmp_path / "a")
    assert visible(tmp_path / "a") == visible(packed)
    assert report.kept == (0 if moment == 44 else moment // SOME)


def test_killed_for_real_it_continues(single: Path, packed: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys, kce.faces.pack as pack, kce.faces.shard_store as store\n"
        f"pack.FACES_PER_SHARD = {SOME}\n"
        "encode, n = store.encode_face, iter(range(17))\n"
        "store.encode_face = lambda *a: encode(*a) if next(n, None) is not None else os.kill(os.getpid(), 9)\n"
        "pack.pack_faces(*sys.argv[1:])"
    )
    to = tmp_path / "a"
    done = subprocess.run([sys.executable, "-c", code, single, to], cwd=REPOSITORY, check=False)
    assert done.returncode == -9
    assert pack_faces(single, to).kept == 2
    assert visible(to) == visible(packed)


@pytest.mark.parametrize("file", [shard_name(0), shard_name(4), INDEX, "faces.csv"])
def test_a_full_disk_while_packing_is_an_error_and_loses_nothing(
    single: Path, packed: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kce.system import atomic

    moving = atomic._moving_to

    def full(path: Path, part: Path, *, sync: bool) -> Any:
        if path.name == file:
            part.unlink()
            raise OSError(errno.ENOSPC, "No space left on device")
        return moving(path, part, sync=sync)

    before = contents(single)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_moving_to", full)
        with pytest.raises(MachineFault, match="disk is full"):
            pack_faces(single, tmp_path / "a")
    assert not [name for name in contents(tmp_path / "a") if name.endswith(".part")]
    assert contents(single) == before
    pack_faces(single, tmp_path / "a")
    assert visible(tmp_path / "a") == visible(packed)


def test_a_full_disk_while_cutting_is_an_error_and_loses_nothing(
    corpus: Corpus, single: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, write = count(), os.write

    def full(file: int, data: Any) -> int:
        if next(numbers) == 30:
            write(file, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr("kce.system.append.os.write", full)
        with pytest.raises(KCEError, match="disk is full"):
            quick(corpus, tmp_path / "a", home, pack=True)
    quick(corpus, tmp_path / "a", home, pack=True)
    same_faces(single, tmp_path / "a")


def test_two_processes_do_not_pack_into_one_folder(single: Path, packed: Path, corpus: Corpus, home: Path) -> None:
    before = visible(packed)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom kce.system.lock import folder_lock\n"
        "with folder_lock(Path(sys.argv[1]), 'pack'):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, packed], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(KCEError, match=r"another kce is writing in .*: pack, process"):
            pack_faces(single, packed)
        with pytest.raises(KCEError, match="another cut is running"):
            quick(corpus, packed, home)
        other.communicate()
    with file_lock(packed / ".lock", lambda: KCEError("busy", "wait")):
        assert len(pngs(read_faces(packed))) == 44  # readers need no lock
    assert visible(packed) == before


def refusals() -> list[Any]:
    def inside(single: Path, to: Path) -> tuple[Path, Path]:
        return single, single / "packed"

    def itself(single: Path, to: Path) -> tuple[Path, Path]:
        return single, single

    def around(single: Path, to: Path) -> tuple[Path, Path]:
        return single, single.parent

    def other_content(single: Path, to: Path) -> tuple[Path, Path]:
        to.mkdir()
        (to / "mine.txt").write_text("mine")
        return single, to

    def single_files(single: Path, to: Path) -> tuple[Path, Path]:
        shutil.copytree(single, to)
        return single, to

    def another_pack(single: Path, to: Path) -> tuple[Path, Path]:
        to.mkdir()
        (to / PACKING).write_text('{"faces": "0"}')
        return single, to

    def damaged_mark(single: Path, to: Path) -> tuple[Path, Path]:
        to.mkdir()
        (to / PACKING).write_text("{")
        return single, to

    def no_source(single: Path, to: Path) -> tuple[Path, Path]:
        return single.parent, single.parent.parent / "to"

    def unfinished(single: Path, to: Path) -> tuple[Path, Path]:
        (single / "faces.csv").unlink()
        (single / "cut.journal").touch()
        return single, to

    def damaged_face(single: Path, to: Path) -> tuple[Path, Path]:
        damage(single / read_faces(single).file[30], 90)
        return single, to

    def lost_face(single: Path, to: Path) -> tuple[Path, Path]:
        (single / read_faces(single).file[30]).unlink()
        return single, to

    def link_out(single: Path, to: Path) -> tuple[Path, Path]:
        path = single / read_faces(single).file[30]
        shutil.move(path, single.parent / "secret.png")
        path.symlink_to(single.parent / "secret.png")
        return single, to

    def linked_shard(single: Path, to: Path) -> tuple[Path, Path]:
        to.mkdir()
        (single.parent / "victim").write_text("precious")
        (to / shard_name(0)).symlink_to(single.parent / "victim")
        return single, to

    return [
        pytest.param(prepare, match, id=prepare.__name__)
        for prepare, match in (
            (inside, "inside the other"), (itself, "one folder"), (around, "inside the other"),
            (other_content, "not empty"), (single_files, "single files"), (another_pack, "was interrupted"),
            (damaged_mark, "is damaged"), (no_source, "there is no"), (unfinished, "was interrupted"),
            (damaged_face, "is not as it was cut"), (lost_face, "is missing"), (link_out, "leads out"),
            (linked_shard, "leads out"),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("prepare", "match"), refusals())
def test_what_cannot_be_packed_is_refused(
    single: Path, tmp_path: Path, prepare: Callable[[Path, Path], tuple[Path, Path]], match: str
) -> None:
    source, to = prepare(single, tmp_path / "to")
    before = {name: data for name, data in contents(tmp_path).items() if ".lock" not in name and name[:3] != "to/"}
    with pytest.raises(KCEError, match=match) as raised:
        pack_faces(source, to)
    assert raised.value.hint
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


def test_a_source_that_has_changed_is_refused(corpus: Corpus, single: Path, packed: Path, home: Path) -> None:
    corpus.samples = [s for s in corpus.samples if "real" not in str(s)] + [
        Sample(s.key, s.path, s.dataset, s.method, s.real, group="new")
        for s in corpus.samples
        if isinstance(s, Sample) and s.real
    ]
    quick(corpus, single, home)
    before = visible(packed)
    with pytest.raises(Refused, match="other faces"):
        pack_faces(single, packed)
    assert visible(packed) == before


# --------------------------------------------------------------------------------------------------------------- damage


def face_at(packed: Path, row: int) -> tuple[str, PackedFace]:
    file = str(read_faces(packed).file[row])
    faces = packed_faces(packed)
    assert faces is not None
    face = faces.find(file)
    assert face is not None
    return file, face


def test_a_flipped_byte_is_found_named_and_repaired_by_either_command(
    corpus: Corpus, single: Path, packed: Path, home: Path
) -> None:
    whole = visible(packed)
    for repair in (lambda: pack_faces(single, packed), lambda: quick(corpus, packed, home)):
        file, face = face_at(packed, 17)
        damage(packed / shard_name(2), face.offset + face.size // 2)
        with pytest.raises(BadData, match=r"faces-000002\.tar is damaged") as raised:
            load_pixels(read_faces(packed), np.arange(44), 8)
        assert str(packed / file) in raised.value.message
        assert "kce pack" in raised.value.hint
        with pytest.raises(BadData):
            read_image(packed / file)
        assert len(read_image(packed / read_faces(packed).file[16]))  # of the same shard
        repair()
        same_faces(single, packed)
        if repair.__code__.co_names[0] == "pack_faces":
            assert visible(packed) == whole


@pytest.mark.parametrize("keep", [0, 100, 0.5, -100, -1000, -1024])
def test_a_shard_that_is_cut_short_is_found_named_and_repaired(
    corpus: Corpus, single: Path, packed: Path, home: Path, keep: float
) -> None:
    whole, shard = visible(packed), packed / shard_name(3)
    for repair in (lambda: quick(corpus, packed, home), lambda: pack_faces(single, packed)):
        data = shard.read_bytes()
        shard.write_bytes(data[: int(len(data) * keep) if 0 < keep < 1 else int(keep)])
        faces = read_faces(packed)
        lost = [file for file in faces.file.tolist() if not readable(packed / file)]
        assert bool(lost) == (keep not in (-100, -1000, -1024))
        for file in lost:
            with pytest.raises(BadData, match=r"faces-000003\.tar is cut short"):
                read_image(packed / file)
        repair()
        same_faces(single, packed)
        shutil.rmtree(packed)
        pack_faces(single, packed)
    assert visible(packed) == whole


def readable(path: Path) -> bool:
    try:
        return bool(read_image(path).size)
    except BadData:
        return False


def test_a_shard_that_is_gone_is_found_named_and_repaired(
    corpus: Corpus, single: Path, packed: Path, tmp_path: Path, home: Path
) -> None:
    shutil.copytree(packed, tmp_path / "copy")
    for folder, repair in (
        (packed, lambda to: pack_faces(single, to)),
        (tmp_path / "copy", lambda to: quick(corpus, to, home)),
    ):
        file, face = face_at(folder, 0)
        assert face.shard == 0
        (folder / shard_name(0)).unlink()
        with pytest.raises(MachineFault, match="is missing"):
            read_image(folder / file)
        repair(folder)
        same_faces(single, folder)


def test_a_face_that_is_missing_is_told_from_one_that_cannot_be_read(single: Path, packed: Path) -> None:
    for folder in (single, packed):
        with pytest.raises(MachineFault, match="is missing") as caught:
            face_reader(folder)("A_x/nobody.png")
        assert is_missing(caught.value)


@pytest.mark.parametrize("how", ["gone", "empty", "flipped", "text", "other version", "nested"])
def test_without_its_index_a_folder_is_searched(
    single: Path, packed: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    index, whole = packed / INDEX, (packed / INDEX).read_bytes()
    if how == "gone":
        index.unlink()
    elif how == "flipped":
        damage(index, len(whole) - 3)
    else:
        new = {"empty": b"", "text": b"no index\n" * 9, "nested": b"[" * 10**6}
        index.write_bytes(new.get(how, whole.replace(b'"schema": 1', b'"schema": 2')))
    same_faces(single, packed)
    assert any("the shards are searched instead" in record.message for record in caplog.records)
    pack_faces(single, packed)
    assert index.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [{"shard": 99}, {"offset": 2**63}, {"size": 2**32 - 1}, {"offset": 2**64 - 1, "size": 2**31}, {"id": 2**64 - 1}],
)
def test_an_index_of_someone_else_cannot_make_us_read_elsewhere(
    single: Path, packed: Path, change: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    table = find_packed(packed)
    table = table[np.argsort(table["id"])]
    for name, value in change.items():
        table[3][name] = value
    sizes = shards.shard_sizes(packed)
    rows = table.tobytes()  # not sorted again, and with a hash that fits
    head = {"schema": 1, "faces": len(table), "shards": [list(pair) for pair in sizes.items()]}
    from kce.data.packed import _hash_of

    head["hash"] = _hash_of(head["shards"], rows)
    (packed / INDEX).write_bytes(json.dumps(head).encode() + b"\n" + rows)
    same_faces(single, packed)
    assert "is damaged" in caplog.text


def test_a_wrong_place_in_the_index_gives_no_wrong_face(packed: Path) -> None:
    table = find_packed(packed).copy()
    table["offset"][5], table["size"][5] = table["offset"][6], table["size"][6]
    (packed / INDEX).write_bytes(encode_index(table, shards.shard_sizes(packed)))
    files = {face_id(file): file for file in read_faces(packed).file.tolist()}
    with pytest.raises(BadData, match="is damaged"):
        read_image(packed / files[int(table["id"][5])])


@pytest.mark.parametrize("name", [INDEX, shard_name(1)])
def test_links_that_lead_out_are_not_followed(packed: Path, tmp_path: Path, name: str) -> None:
    file, _ = face_at(packed, 10)
    shutil.move(packed / name, tmp_path / "elsewhere")
    (packed / name).symlink_to(tmp_path / "elsewhere")
    os.utime(packed / INDEX, ns=(0, 0), follow_symlinks=True)
    with pytest.raises(NotRegular, match="leads out"):
        read_image(packed / file)


def hostile_tar(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            tar.addfile(member)


@pytest.mark.parametrize("kind", ["link", "absolute", "outside", "huge", "negative", "text", "odd json", "one half"])
def test_a_shard_of_someone_else_gives_only_faces(tmp_path: Path, kind: str) -> None:
    path, name = tmp_path / shard_name(0), f"{1:016x}.png"
    member = tarfile.TarInfo({"absolute": "/etc/passwd", "outside": "../0.png"}.get(kind, name))
    if kind == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    face = encode_face("a/b.png", b"png", json.dumps({"hash": "0" * 16}).encode())
    if kind == "huge":
        member.size = 2**60
        path.write_bytes(member.tobuf(tarfile.GNU_FORMAT))
    elif kind == "negative":
        block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
        block[124:136] = b"\xff" * 12
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block[:512])
        path.write_bytes(block)
    elif kind == "text":
        path.write_text("no tar\n" * 999)
    elif kind == "odd json":
        path.write_bytes(
            face + encode_face("a/c.png", b"png", b'["hash"]') + encode_face("a/d.png", b"png", b"[" * 9999)
        )
    elif kind == "one half":
        path.write_bytes(face + face[: len(face) // 2])
    else:
        hostile_tar(path, member)
    found = scan_shard(path, 0)
    assert [face.id for face in found.faces] == [face_id("a/b.png")] * (kind in ("odd json", "one half"))
    assert not found.whole


def test_the_index_takes_40_bytes_a_face() -> None:
    assert TABLE.itemsize == 40


# ----------------------------------------------------------------------------------------------------- the command line


def test_the_commands_pack_and_say_so(single: Path, tmp_path: Path, kce: Any, kce_json: Any) -> None:
    report = kce_json("pack", single, "--to", tmp_path / "new")
    assert report == {
        "schema": 1,
        "faces": 44,
        "shards": 1,
        "size": (tmp_path / "new" / shard_name(0)).stat().st_size,
        "kept": 0,
    }
    shown = kce("pack", single, "--to", single)
    assert shown.returncode == 2
    assert "hint:" in shown.stderr
    words = ("cut", "folder", "--root", tmp_path / "new", "--detector", "whole", "--workers", "0")
    assert kce(*words, "--to", tmp_path / "cut", "--pack").returncode == 0
    assert sorted(visible(tmp_path / "cut")) == [
        "cut.toml", shard_name(0), "faces.csv", INDEX, "problems.csv",
    ]  # fmt: skip
