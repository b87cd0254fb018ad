"""Tables of a face folder that were damaged after they were finished: put right, or refused; never other rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kce.data.scan import scan
from kce.errors import KCEError, Refused
from kce.faces import journal
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.registry.registry import Registry
from kce.types import Remark, Sample
from tests.faces.test_cut import Corpus, contents, quick

Damage = Callable[[bytes], bytes]

DAMAGE: dict[str, Damage] = {
    "emptied": lambda _: b"",
    "zeroed": lambda data: bytes(len(data)),
    "zeros in the middle": lambda data: data[: len(data) // 3] + bytes(len(data) // 3) + data[2 * (len(data) // 3) :],
    "garbage": lambda data: np.random.default_rng(0).bytes(len(data)),
    "garbage at the end": lambda data: data[: len(data) // 2] + np.random.default_rng(0).bytes(len(data) // 2),
    "cut in a line": lambda data: data[: data.rindex(b",", 0, len(data) // 2) + 1] if b"," in data else data[:5],
    "cut at the end of a line": lambda data: b"".join(data.splitlines(keepends=True)[: data.count(b"\n") // 2]),
    "without its last line": lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
    "without its last letter": lambda data: data.rstrip(b"\n")[:-1],
    "without a line in the middle": lambda data: b"".join(
        line for n, line in enumerate(data.splitlines(keepends=True)) if n != data.count(b"\n") // 2
    ),
    "a line twice": lambda data: data + data.splitlines(keepends=True)[-1],
    "a bit flipped": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
    "other line ends": lambda data: data.replace(b"\n", b"\r\n"),
}
FILES = ("faces.csv", "problems.csv", "cut.toml", ".cut.toml")


def error_of(action: Callable[[], object]) -> KCEError | None:
    """The error that the action ends with; it has a hint."""
    try:
        action()
    except KCEError as error:
        if error.hint:
            return error
        raise
    return None


def broken(root: Path) -> Corpus:
    """A corpus with two files that have problems, one of them a video with fewer frames."""
    made = Corpus(root, pictures=5, videos=2)
    made.picture("real/black.png", "real", np.zeros((30, 30, 3), np.uint8))
    made.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    return made


def rows(folder: Path) -> list[tuple[str, ...]]:
    faces = read_faces(folder)
    return list(
        zip(faces.key.tolist(), faces.category.tolist(), faces.hash.tolist(), faces.group.tolist(), strict=True)
    )


def scanned(folder: Path) -> list[object]:
    """What the folder's own adapter reads."""
    return list(Registry.load(Path("/")).build("dataset", "folder", root=folder))


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_put_right_by_the_same_cut_and_never_gives_other_rows(
    tmp_path: Path,
    home: Path,
    name: str,
) -> None:
    dataset, folder = broken(tmp_path / "data"), tmp_path / "a"
    quick(dataset, folder, home, per_category=4)
    whole, before, scanned_before = contents(folder), rows(folder), scanned(folder)
    for how, damage in {**DAMAGE, "missing": None}.items():
        if damage is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(damage(whole[name]))
        found_rows: list[object] = []
        if not error_of(lambda: found_rows.extend(rows(folder))):  # noqa: B023 - called at once
            assert found_rows == before, how  # it was not needed, or its copy is whole
        if not error_of(lambda: found_rows.append(scanned(folder))):  # noqa: B023
            assert found_rows[-1] == scanned_before, how
        if error := error_of(lambda: quick(dataset, folder, home, per_category=4)):
            assert (name, how) == ("cut.toml", "missing"), error
            (folder / name).write_bytes(whole[name])
        found = {key: data for key, data in contents(folder).items() if not key.endswith(".damaged")}
        assert found == whole, how
        assert rows(folder) == before, how


def test_a_scan_of_a_face_folder_counts_the_faces_that_were_not_alone(tmp_path: Path, home: Path) -> None:
    quick(Corpus(tmp_path / "data", pictures=3, videos=0), tmp_path / "a", home)  # it finds two in every picture
    dataset = Registry.load(Path("/")).build("dataset", "folder", root=tmp_path / "a")
    report = scan(dataset, tmp_path / "a", split="disjoint")
    assert (report.samples, report.several_faces, report.unknown_recordings) == (6, 6, 6)


@pytest.mark.parametrize("damage", DAMAGE)
def test_settings_that_are_damaged_like_their_copy_are_an_error(tmp_path: Path, home: Path, damage: str) -> None:
    dataset, folder = Corpus(tmp_path / "data", pictures=2, videos=0), tmp_path / "a"
    quick(dataset, folder, home)
    before = rows(folder)
    for name in ("cut.toml", ".cut.toml"):
        (folder / name).write_bytes(DAMAGE[damage]((folder / name).read_bytes()))
    kept = contents(folder)
    if error_of(lambda: quick(dataset, folder, home)):
        assert contents(folder) == kept
        assert error_of(lambda: read_faces(folder))
    else:  # other line ends do no harm
        assert rows(folder) == before


def test_a_folder_without_its_settings_is_the_users_own(tmp_path: Path, home: Path) -> None:
    dataset, folder = Corpus(tmp_path / "data", pictures=3, videos=0), tmp_path / "a"
    quick(dataset, folder, home)
    lines = (folder / "faces.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "faces.csv").write_text("".join(lines[:-2]), encoding="utf-8")
    with pytest.raises(KCEError, match="4 lines below the first, and there were 6 faces") as caught:
        read_faces(folder)
    assert "rename cut.toml" in caught.value.hint
    (folder / "cut.toml").rename(folder / "cut.toml.old")
    assert len(read_faces(folder)) == 4
    with pytest.raises(Refused, match=r"has no cut\.toml") as refused:
        quick(dataset, folder, home)
    assert "copy .cut.toml" in refused.value.hint
    assert len(read_faces(folder)) == 4  # and nothing was touched


def test_a_table_with_several_datasets_stays_damaged_until_all_are_cut_again(tmp_path: Path, home: Path) -> None:
    one, folder = Corpus(tmp_path / "data", pictures=3, videos=0), tmp_path / "a"
    other = [Sample(s.key, s.path, "E", s.method, s.real) for s in one if not isinstance(s, Remark)]
    quick(one, folder, home)
    quick(other, folder, home)
    whole = contents(folder)
    (folder / "faces.csv").write_bytes(whole["faces.csv"][:40])
    with pytest.raises(KCEError, match=r"still lacks faces of E_Swap .*, E_real") as caught:
        quick(one, folder, home)
    assert "`kce cut` of their datasets" in caught.value.hint
    with pytest.raises(KCEError, match="is not as `kce cut` finished it"):
        read_faces(folder)
    quick(other, folder, home)
    assert {key: data for key, data in contents(folder).items() if not key.endswith(".damaged")} == whole


def test_killed_between_the_tables_and_their_record_it_continues(
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, folder = broken(tmp_path / "data"), tmp_path / "a"
    quick(dataset, tmp_path / "whole", home)
    write = journal.write_tables

    def killed(*given: Any) -> None:
        write(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "write_tables", killed)
        with pytest.raises(KeyboardInterrupt):
            quick(dataset, folder, home)
    with pytest.raises(KCEError, match="was interrupted, or is running"):
        read_faces(folder)
    quick(dataset, folder, home)
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_folder_with_garbage_in_its_record_is_refused(tmp_path: Path, home: Path) -> None:
    dataset, folder = Corpus(tmp_path / "data", pictures=2, videos=0), tmp_path / "a"
    quick(dataset, folder, home)
    text = (folder / "cut.toml").read_text(encoding="utf-8")
    for old, new in (("rows = ", 'rows = "x" # '), ("hash = ", "hush = "), ("[tables]", "[categories.x]")):
        (folder / "cut.toml").write_text(text.replace(old, new), encoding="utf-8")
        (folder / ".cut.toml").write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(KCEError) as caught:
            cut(dataset, folder, detector="half", registry_folder=home, frames=5, workers=1)
        assert caught.value.hint
