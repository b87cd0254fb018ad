"""Looking at faces on the page of a run, with mouse and keyboard, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kce.faces.folder import read_faces
from kce.report import report
from kce.report.charts import ReportFigure, ReportTable
from kce.report.figures import ShownFaces, component_map
from kce.report.neighbours import nearest_of_other_recordings
from kce.report.sources import ReportSource, read_report_source
from kce.types import Features
from tests.support import browser
from tests.support.corpus import KNOWN

# A_FaceSwap is joined with B_Paste, which has another name, and parted from B_FaceSwap, which has the same one.
PLAN = {"A_FaceSwap": "one", "B_Paste": "one", "B_FaceSwap": "two", "A_Warp": "x", "B_Reenact": "x", "A_Blur": "y"}


def features(folder: Path) -> Features:
    """Random features of the known faces."""
    faces = read_faces(folder.parent / "faces")
    known = faces.take(faces.category.isin(KNOWN))
    x = np.random.default_rng(0).normal(0, 1, (len(known), 4)).astype(np.float32)
    return Features(known.key[:], known.category[:], known.group[:], x)


def written(folder: Path, at: Path, source: ReportSource | None = None) -> Path:
    """The page of the run with the plan above, and one map."""
    rows, shown = features(folder), ShownFaces()
    table = ReportTable(
        "plan", "Merge plan", "", ["category", "class"], [[c, PLAN[c]] for c in sorted(PLAN)], [False] * 2
    )
    flat = rows.with_x(rows.x[:, :2])
    chart = component_map(flat, shown, nearest_of_other_recordings(rows))
    points = type(chart)(chart.xy[:, :2], chart.category, chart.face, ("a", "b"), chart.neighbours)
    figure = ReportFigure("known", "Known categories", "", {"known": points})
    page = report._render(source or read_report_source(folder), [table], [figure], shown)
    (at / "page.html").write_text(page, encoding="utf-8")
    return at / "page.html"


def blocks(page: Any) -> dict[str, str]:
    """Heading -> note, of the categories in the panel."""
    sections = page.locator("#panel section")
    return {
        section.locator("h3").text_content(): section.locator("p").text_content()
        for section in (sections.nth(number) for number in range(sections.count()))
    }


@browser.needed
def test_a_cell_of_the_plan_opens_what_was_joined_and_parted_side_by_side(folder: Path, tmp_path: Path) -> None:
    with browser.opened(written(folder, tmp_path)) as seen:
        page, panel = seen.page, seen.page.locator("#panel")
        cells = page.locator("#plan td button")
        chips = {row.split("\t")[0]: row for row in page.locator("#plan tbody").inner_text().splitlines()}
        assert "joined" in chips["A_FaceSwap"]
        assert "parted" in chips["B_FaceSwap"]
        assert "joined" not in chips["B_FaceSwap"]
        cells.nth(1).click()  # A_FaceSwap, after A_Blur
        found = blocks(page)
        assert list(found) == ["A_FaceSwap", "B_Pastejoined", "B_FaceSwapparted"]
        assert found["A_FaceSwap"] == "Its class is one. 12 of its 16 faces on this page:"
        assert "although its method has another name" in found["B_Pastejoined"]
        assert "In another class, two," in found["B_FaceSwapparted"]
        assert panel.locator(".tiles button").count() == 3 * 12
        tops = page.evaluate("[...document.querySelectorAll('#panel .tiles')].map(t => t.getBoundingClientRect().top)")
        assert len(set(tops)) == 1  # side by side
        # A face, then one of its neighbours, then back.
        panel.locator(".tiles button").first.click()
        assert panel.locator("h2").inner_text() == "A_FaceSwap"
        rows = features(folder)
        key = panel.locator("dd").last.inner_text()
        place = int(np.flatnonzero(rows.key == key)[0])
        near = nearest_of_other_recordings(rows)
        names = panel.locator(".near button").evaluate_all("all => all.map(button => button.title)")
        assert names == rows.key[near.row[place]].tolist()
        assert f"distance {near.distance[place, 0]:#.3g}" in panel.locator(".near button").first.inner_text()
        panel.locator(".near button").first.click()
        assert panel.locator("dd").last.inner_text() == names[0]
        page.locator("#panel-back").click()
        page.locator("#panel-back").click()
        assert list(blocks(page)) == list(found)
        page.locator("#panel-close").click()
        assert panel.is_hidden()
        assert seen.errors == []


@browser.needed
def test_the_keyboard_alone_reaches_cells_and_points_and_comes_back(folder: Path, tmp_path: Path) -> None:
    with browser.opened(written(folder, tmp_path)) as seen:
        page, panel = seen.page, seen.page.locator("#panel")
        focused = "document.activeElement.textContent + document.activeElement.id"
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('button.cell')"):
                break
        assert page.evaluate(focused) == "y"
        page.keyboard.press("ArrowUp")  # nothing is there
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
            "A_FaceSwap, class: one, joined, parted"
        )
        page.keyboard.press("Enter")
        assert panel.is_visible()
        assert page.evaluate(focused) == "A_FaceSwap → onepanel-title"
        for _ in range(3):
            page.keyboard.press("Tab")  # the panel holds the focus
            assert page.evaluate("document.activeElement.closest('#panel') !== null")
        page.keyboard.press("Escape")
        assert panel.is_hidden()
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("A_FaceSwap")
        plot = browser.drawn(page, "known")
        plot.focus()
        page.keyboard.press("Enter")  # no face is chosen yet
        assert panel.is_hidden()
        page.keyboard.press("PageDown")
        page.keyboard.press("PageDown")
        page.keyboard.press("ArrowRight")
        assert "A_FaceSwap" in page.locator("#card").inner_text()
        key = page.locator("#card").inner_text().splitlines()[-1]
        page.keyboard.press("Enter")
        assert panel.locator("dd").last.inner_text() == key
        assert "one" in panel.locator("dl").inner_text()
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "plot-known"
        page.keyboard.press("ArrowRight")
        assert page.locator("#card").inner_text().splitlines()[-1] != key
        assert seen.errors == []


@browser.needed
def test_a_click_on_a_point_opens_its_face_also_on_a_phone(folder: Path, tmp_path: Path) -> None:
    with browser.opened(written(folder, tmp_path), width=400, height=800) as seen:
        page, panel = seen.page, seen.page.locator("#panel")
        page.emulate_media(reduced_motion="reduce")
        browser.drawn(page, "known")
        place = page.evaluate(
            """() => {
              const plot = document.getElementById('plot-known'), box = plot.getBoundingClientRect();
              const {xaxis, yaxis} = plot._fullLayout, trace = plot._fullData[0];
              return [box.left + xaxis._offset + xaxis.d2p(trace.x[0]),
                      box.top + yaxis._offset + yaxis.d2p(trace.y[0])];
            }"""
        )
        page.mouse.move(place[0] - 9, place[1] - 9)
        page.mouse.move(*place, steps=4)
        page.mouse.click(*place)
        panel.wait_for(state="visible")
        assert panel.locator("h2").inner_text() in KNOWN
        assert panel.locator(".near button").count() == 5
        wide = "[document.documentElement, panel].every(part => part.scrollWidth <= part.clientWidth)"
        assert page.evaluate(wide)
        assert page.evaluate("document.getAnimations().length") == 0
        page.keyboard.press("Escape")
        page.locator("#plan td button").nth(1).click()
        assert page.evaluate(wide)
        assert seen.errors == []


@browser.needed
@pytest.mark.parametrize("scripts", [True, False])
def test_without_pictures_or_scripts_the_page_says_so_and_has_its_tables(
    folder: Path, tmp_path: Path, scripts: bool
) -> None:
    (tmp_path / "recipe.toml").write_text("schema = 1\nfaces = '/nowhere'")
    run = read_report_source(folder).runs[0]
    source = ReportSource(tmp_path, "run", {"provenance": None}, [type(run)(tmp_path, run.report)])
    with browser.opened(written(folder, tmp_path, source), scripts=scripts) as seen:
        rows = [row.split("\t") for row in seen.page.locator("#plan tbody").inner_text().splitlines()]
        assert {row[0]: row[1].split(" ")[0] for row in rows} == PLAN
        assert "There are no pictures: there is no" in seen.page.inner_text("#faces")
        if not scripts:
            assert "Without JavaScript" in seen.page.inner_text("body")
            return
        seen.page.locator("#plan td button").nth(1).click()
        assert "There are no pictures" in seen.page.inner_text("#panel")
        assert list(blocks(seen.page)) == ["A_FaceSwap", "B_Paste"]  # without the folder, names of methods are unknown
        assert seen.page.locator("#panel .tiles button").first.inner_text() == "no picture"
        seen.page.locator("#panel .tiles button").first.click()
        assert seen.page.locator("#panel dd").nth(1).inner_text() == "unknown"  # the dataset
        assert seen.errors == []
