"""Whose fault a failure is, asked of processes that really lack something."""

from __future__ import annotations

import errno
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from kce.data import pictures
from kce.data.videos import video_frames
from kce.errors import BadData, MachineFault
from kce.system.machine_faults import decoder_fault, fault_of, read_fault
from kce.system.memory import available_memory
from kce.system.os_errors import describe_os_error
from tests.conftest import REPOSITORY
from tests.data.test_media import make_video, numbered

READ = """
import resource, sys
from pathlib import Path
import av, cv2, PIL.Image
from kce.data.pictures import read_image
from kce.data.videos import video_frames
from kce.errors import BadData, MachineFault
path = sys.argv[1]
def read():
    return [image for _, image in video_frames(path, 3)] if path.endswith("mp4") else [read_image(path)]
if "warm" in sys.argv:
    read()
{limit}
try:
    sys.exit(f"read {{len(read())}}")
except BadData as error:
    sys.exit(f"the file: {{error}}")
except MachineFault as error:
    sys.exit(f"the machine: {{error}}")
"""
FILES = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"
MEMORY = """
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**25,) * 2)
"""


def read_in_a_process(path: Path, limit: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ.format(limit=limit), path, *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stderr


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "a.mp4", [numbered(i, 64, 48) for i in range(9)])
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    for name, length in (("a.png", None), ("cut.png", 90_000)):
        (folder / name).write_bytes(pictures.encode_png(noise)[:length])
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:900])
    return folder


@pytest.mark.parametrize("name", ["a.png", "cut.png", "a.mp4", "cut.mp4"])
def test_a_process_without_open_files_blames_no_file(media: Path, name: str) -> None:
    assert "the machine" in (said := read_in_a_process(media / name, FILES, *(["warm"] if name[0] == "a" else [])))
    assert "open files" in said


@pytest.mark.parametrize("name", ["a.png", "cut.png"])
def test_a_process_without_memory_blames_no_file(media: Path, name: str) -> None:
    assert "the machine" in (said := read_in_a_process(media / name, MEMORY))
    assert "too little memory" in said


def test_a_process_that_lacks_nothing_blames_the_file(media: Path) -> None:
    assert "the file" in read_in_a_process(media / "cut.png", "")
    assert "the file" in read_in_a_process(media / "cut.mp4", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("can't start new thread"), "too few processes and threads"),
        (RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"), "too little memory"),
        (ImportError("libopenblas.so: failed to map segment from shared object"), "too little memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"), "too little memory"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too few open files"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "too few processes and threads"),
    ],
)
def test_what_a_process_lacks_is_known_however_it_is_worded(error: Exception, words: str) -> None:
    wrapped = ValueError("the detector failed")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        fault = fault_of(one, "a.png")
        assert isinstance(fault, MachineFault)
        assert fault.message.startswith("a.png: ")
        assert words in fault.message
        assert "tries again" in fault.hint


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENOSPC])
def test_a_disk_that_fails_is_the_machines_fault_whoever_meets_it(number: int) -> None:
    fault = fault_of(OSError(number, os.strerror(number)), "a.png")
    assert fault is not None
    assert fault.message.startswith("a.png: the ")
    assert "continues" in fault.hint


@pytest.mark.parametrize("error", [ValueError("too bright"), OSError(errno.EINVAL, "x"), IndexError(11)])
def test_other_errors_are_no_fault_of_the_machine(error: Exception) -> None:
    assert fault_of(error) is None


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN, errno.ENOENT, errno.ELOOP])
def test_what_the_system_does_not_let_us_read_is_no_fault_of_the_file(number: int) -> None:
    error = OSError(number, os.strerror(number))
    fault = read_fault(error, "a.png")
    assert ("is missing" if number == errno.ENOENT else describe_os_error(error)[0]) in fault.message


def test_numbers_that_ffmpeg_uses_itself_are_asked_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    for number in (errno.ENOMEM, errno.EAGAIN, errno.EIO):
        assert decoder_fault(OSError(number, ""), tmp_path / "a.mp4") is None
        gone = decoder_fault(OSError(number, ""), tmp_path / "b.mp4")
        assert gone is not None
        assert "is missing" in gone.message


def test_a_picture_for_which_there_is_no_memory_now_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(pictures.encode_png(np.zeros((800, 800, 3), np.uint8)))
    monkeypatch.setattr(pictures, "available_memory", lambda: 2**21)
    assert pictures.read_image(tmp_path / "a.png").shape == (800, 800, 3)  # too small to ask
    monkeypatch.setattr(pictures, "_WORTH_ASKING", 2**22)
    with pytest.raises(MachineFault, match="5 MiB needed, 2 MiB available"):
        pictures.read_image(tmp_path / "a.png")


def test_a_small_file_that_decodes_to_very_much_is_refused(tmp_path: Path) -> None:
    data = bytearray(pictures.encode_png(np.zeros((8, 8, 3), np.uint8)))
    body = b"IHDR" + struct.pack(">IIBBBBB", 6000, 6000, 16, 6, 0, 0, 0)  # 16 bits, with transparency
    data[12:33] = body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadData, match="274 MiB decoded") as raised:
        pictures.read_image(tmp_path / "a.png")
    assert "256 MiB" in raised.value.hint


def test_rows_that_are_converted_some_at_a_time_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    deep = np.random.default_rng(0).integers(0, 65536, (50, 40, 4), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    whole = pictures.read_image(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "_BAND_BYTES", 1000)
    assert np.array_equal(pictures.read_image(tmp_path / "a.png"), whole)


def test_available_memory_is_no_more_than_the_machine_has() -> None:
    assert 0 < available_memory() <= os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()


def repeated_packet(source: Path, target: Path, count: int) -> None:
    """An MP4 whose tables name the first packet of another one `count` times."""

    def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
        found, at = [], 0
        while at < len(data):
            size = struct.unpack(">I", data[at : at + 4])[0]
            found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
            at += size
        return found

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    def rewrite(kind: bytes, body: bytes) -> bytes:
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            return box(
                kind, b"".join(rewrite(*inner) for inner in boxes(body) if inner[0] not in (b"ctts", b"stss", b"edts"))
            )
        if kind == b"stts":
            body = struct.pack(">IIII", 0, 1, count, 512)
        elif kind == b"stsz":
            body = struct.pack(">III", 0, max(struct.unpack(f">{(len(body) - 12) // 4}I", body[12:])), count)
        elif kind == b"stsc":
            body = struct.pack(">IIIII", 0, 1, 1, 1, 1)
        elif kind == b"stco":
            body = struct.pack(">II", 0, count) + body[8:12] * count
        return box(kind, body)

    target.write_bytes(b"".join(rewrite(*one) for one in boxes(source.read_bytes())))


def test_a_video_whose_table_names_one_packet_many_times_is_refused_at_once(media: Path, tmp_path: Path) -> None:
    repeated_packet(media / "a.mp4", tmp_path / "few.mp4", 9)
    assert len(list(video_frames(tmp_path / "few.mp4", 3))) == 3  # such a table is read
    repeated_packet(media / "a.mp4", tmp_path / "many.mp4", 50_000)
    with pytest.raises(BadData, match="names the same data many times"):
        next(video_frames(tmp_path / "many.mp4", 3))
