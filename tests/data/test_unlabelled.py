"""Pictures of which nothing is known: each has a key of its own, and an input without anything is a remark."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError, Remark, Sample
from kce.data.unlabelled import UnlabelledMedia


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def keys(*inputs: Path) -> list[str]:
    return [one.key for one in UnlabelledMedia(inputs) if isinstance(one, Sample)]


def test_keys_are_paths_below_the_input_and_unique(tmp_path: Path) -> None:
    one, other = files(tmp_path / "a" / "x", "1.png", "b/2.mp4"), files(tmp_path / "b" / "x", "1.png", "notes.txt")
    assert keys(one) == ["1.png", "b/2.mp4"]
    assert keys(one, other) == ["x/1.png", "x/b/2.mp4", "b/x/1.png"]
    assert len(set(keys(one / "1.png", other / "1.png", one / "1.png"))) == 3


def test_an_empty_folder_is_a_remark_and_the_others_are_read(tmp_path: Path) -> None:
    full, empty = files(tmp_path / "full", "1.png"), files(tmp_path / "empty")
    empty.mkdir()
    found = list(UnlabelledMedia([empty, full]))
    assert [(one.kind, one.reason) for one in found if isinstance(one, Remark)] == [("missing", "the folder is empty")]
    assert [one.path for one in found if isinstance(one, Sample)] == [full / "1.png"]


@pytest.mark.parametrize(("name", "words"), [("gone", "there is no"), ("notes.txt", "no picture or video")])
def test_what_is_not_there_or_no_media_is_an_error(tmp_path: Path, name: str, words: str) -> None:
    files(tmp_path, "notes.txt")
    with pytest.raises(KCEError, match=words):
        UnlabelledMedia([tmp_path / name])
