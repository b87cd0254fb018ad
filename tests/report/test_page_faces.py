"""Which faces a page shows, which of them have a picture, and what it says of both."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.faces.folder import read_faces
from kce.report import page_faces, thumbnails
from kce.report.charts import Points, ReportFigure, ReportTable
from kce.report.figures import ShownFaces
from kce.report.page_faces import choose_pictured
from kce.report.sources import ReportSource, read_report_source
from tests.support.corpus import KNOWN


@given(st.lists(st.sampled_from("ABCD"), max_size=40), st.integers(4, 50), st.randoms())
def test_categories_share_the_pictures_and_those_first_in_order_have_one(
    categories: list[str], limit: int, random: Any
) -> None:
    order = list(range(len(categories)))
    random.shuffle(order)
    chosen = choose_pictured(categories, order, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= limit
    if len(categories) <= limit:
        assert chosen == list(range(len(categories)))
    counts, having = Counter(categories), Counter(categories[number] for number in chosen)
    most = max(having.values(), default=0)
    assert all(having[category] == min(counts[category], most) for category in counts)
    for category in counts:
        ranked = [number for number in order if categories[number] == category]
        assert set(ranked[: having[category]]) <= set(chosen)


def on_map(folder: Path) -> tuple[ShownFaces, list[ReportFigure]]:
    """A map of every known face of the run."""
    faces, shown = read_faces(folder.parent / "faces"), ShownFaces()
    known = faces.take(faces.category.isin(KNOWN))
    numbers = shown.add(known.key.tolist(), known.category.tolist(), known.group.tolist())
    points = Points(np.zeros((len(numbers), 2), np.float32), known.category[:], numbers)
    return shown, [ReportFigure("known", "Known", "", {"known": points})]


def plan_of(classes: Sequence[str]) -> ReportTable:
    rows = [[category, name] for category, name in zip(sorted(KNOWN), classes, strict=True)]
    return ReportTable("plan", "Merge plan", "", ["category", "class"], rows, [False, False])


def test_only_faces_with_a_picture_are_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    load = thumbnails.load_pixels
    monkeypatch.setattr(thumbnails, "load_pixels", lambda f, rows, side: decoded.extend(rows) or load(f, rows, side))
    monkeypatch.setattr(page_faces, "MAX_PICTURES", 30)
    shown, figures = on_map(folder)
    made = page_faces.page_faces(read_report_source(folder), [plan_of("abcdef")], figures, shown)
    assert len(decoded) == len(set(decoded)) == 30
    (counts,) = made.tables
    assert [row[1:] for row in counts.rows] == [["16", "16", "5"]] * len(KNOWN)
    assert "pictures of 30 of its 96 faces" in counts.note
    assert "at most 30" in counts.note


def test_a_panel_shows_one_face_of_each_recording_before_a_second_one(folder: Path) -> None:
    shown, figures = on_map(folder)
    made = page_faces.page_faces(read_report_source(folder), [plan_of("aabbcc")], figures, shown)
    (plan,) = made.data["plans"]
    assert [category for category, _, _ in plan["rows"]] == sorted(KNOWN)
    for category, _, numbers in plan["rows"]:
        assert {shown.category[number] for number in numbers} == {category}
        recordings = [shown.group[number] for number in numbers]
        assert len(numbers) == page_faces.PER_CATEGORY
        assert len(set(recordings[:8])) == 8  # the pictures of a category are of eight recordings


def test_categories_on_no_map_are_shown_from_the_face_folder(folder: Path) -> None:
    """A run whose plan needs no features stores none of the known categories."""
    shown = ShownFaces()
    made = page_faces.page_faces(read_report_source(folder), [plan_of("aabbcc")], [], shown)
    assert Counter(shown.category) == dict.fromkeys(KNOWN, page_faces.PER_CATEGORY)
    again = ShownFaces()
    page_faces.page_faces(read_report_source(folder), [plan_of("aabbcc")], [], again)
    assert list(again.numbers) == list(shown.numbers)
    assert all(len(numbers) == page_faces.PER_CATEGORY for _, _, numbers in made.data["plans"][0]["rows"])


def test_the_page_says_why_there_are_no_pictures(folder: Path, tmp_path: Path) -> None:
    run = read_report_source(folder).runs[0]
    for number, (text, reason) in enumerate(
        (("schema = 1\nfaces = '/nowhere'", "/nowhere"), ("schema = 1", "names no face folder"), ("faces = 5", "faces"),
         ("schema = [", "recipe.toml"), (None, "recipe.toml"))
    ):  # fmt: skip
        at = tmp_path / str(number)
        at.mkdir()
        if text is not None:
            (at / "recipe.toml").write_text(text)
        moved = type(run)(at, run.report)
        shown, figures = on_map(folder)
        made = page_faces.page_faces(ReportSource(at, "run", {}, [moved]), [plan_of("abcdef")], figures, shown)
        assert reason in made.data["problem"]
        assert made.data["thumbnails"] == []
        assert made.data["same_name"] == {}  # which names agree is not known without the folder
        (counts,) = made.tables
        assert f"There are no pictures: {made.data['problem']}" in counts.note
        assert [row[1:] for row in counts.rows] == [["?", "16", "0"]] * len(KNOWN)


def test_a_face_that_is_gone_or_unreadable_has_no_picture_and_is_counted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder.parent / "faces", tmp_path / "faces")
    faces = read_faces(tmp_path / "faces")
    keys = [*faces.key[:5].tolist(), "of/another.png"]
    (tmp_path / "faces" / faces.file[1]).unlink()
    (tmp_path / "faces" / faces.file[3]).write_bytes(b"no picture")
    _, readable = thumbnails.sprite_sheets(faces, keys)
    assert readable.tolist() == [True, False, True, False, True, False]
    monkeypatch.setattr(ReportSource, "faces", lambda _: faces)
    shown = ShownFaces()
    shown.add(keys, ["A_Blur"] * 6, [""] * 6)
    made = page_faces.page_faces(read_report_source(folder), [], [], shown)
    assert "pictures of 3 of its 6 faces" in made.tables[0].note
    assert "3 are gone from the face folder or cannot be read." in made.tables[0].note
