"""The page in a real browser; figures and tables as files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kce.errors import BadData
from kce.faces.folder import load_pixels, read_faces
from kce.faces.tables import FaceRow, write_csv_table
from kce.report import charts, matplotlib_charts, plotly_charts, report, table_export, thumbnails
from kce.report.figures import ShownFaces
from kce.report.neighbours import nearest_of_other_recordings
from kce.report.report import write_report
from kce.report.sources import ReportSource, read_report_source
from kce.types import Features
from tests.registry.test_defaults import HOSTILE, PLUGIN
from tests.registry.test_registry import write
from tests.support import browser
from tests.support.corpus import KNOWN, UNKNOWN

FIGURES = ("bars", "unknown", "unknown-3d", "known", "similarity", "plans", "variance", "elbow", "loss", "accuracy")


@browser.needed
def test_the_page_draws_all_its_figures_and_loads_nothing(folder: Path) -> None:
    with browser.opened(folder / "report.html") as seen:
        for name in FIGURES:
            browser.drawn(seen.page, name)
        assert "WebGL is not supported" not in seen.page.inner_text("main")
        words = seen.page.inner_text("#scores")
        assert "calinski_harabasz" in words
        assert "95 % interval" in words
        assert seen.page.locator("#plan tbody tr").count() == len(KNOWN)
        for name, points in (("unknown", 24), ("known", 16 * len(KNOWN))):
            drawn = seen.page.evaluate(
                f"document.getElementById('plot-{name}')._fullData.map(trace => trace.x.length).reduce((a, b) => a + b)"
            )
            assert drawn == points
        assert seen.errors == []
        assert [url for url in seen.requests if not url.startswith(("data:", "blob:"))] == [
            (folder / "report.html").as_uri()
        ]


def dot(page: Any, name: str, number: int) -> None:
    """Put the mouse on a point."""
    place = page.evaluate(
        f"""() => {{
          const plot = document.getElementById('plot-{name}'), box = plot.getBoundingClientRect();
          const {{xaxis, yaxis}} = plot._fullLayout, trace = plot._fullData[0];
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[{number}]),
                  box.top + yaxis._offset + yaxis.d2p(trace.y[{number}])];
        }}"""
    )
    page.mouse.move(place[0] - 30, place[1] - 30)
    page.mouse.move(*place, steps=4)


@browser.needed
def test_a_point_shows_its_face_and_names(folder: Path) -> None:
    with browser.opened(folder / "report.html") as seen:
        browser.drawn(seen.page, "unknown").scroll_into_view_if_needed()
        dot(seen.page, "unknown", 0)
        seen.page.wait_for_function("getComputedStyle(card).display !== 'none'")
        card = seen.page.locator("#card")
        assert any(category in card.inner_text() for category in UNKNOWN)
        # What is shown is that very face: the middle of its thumbnail has the colour of the png.
        key = card.inner_text().strip().splitlines()[-1]
        faces = read_faces(folder.parent / "faces")
        png = load_pixels(faces, np.flatnonzero(faces.key == key), thumbnails.SIDE)[0]
        shot = cv2.imdecode(np.frombuffer(card.locator("i").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(shot.mean(axis=(0, 1)) - png.mean(axis=(0, 1))).max() < 6
        seen.page.mouse.move(2, 2)
        seen.page.keyboard.press("Escape")
        assert seen.errors == []


@browser.needed
def test_the_keyboard_steps_through_points_and_boxes_hide_datasets(folder: Path) -> None:
    with browser.opened(folder / "report.html") as seen:
        plot = browser.drawn(seen.page, "known")
        plot.focus()
        texts = []
        for _ in range(3):
            seen.page.keyboard.press("ArrowRight")
            texts.append(seen.page.locator("#card").inner_text())
        assert len(set(texts)) == 3
        seen.page.keyboard.press("Escape")
        assert seen.page.locator("#card").is_hidden()
        boxes = seen.page.locator("fieldset[data-for=known] label")
        assert boxes.all_inner_texts() == ["A", "B"]
        boxes.first.click()
        hidden = seen.page.evaluate(
            "document.getElementById('plot-known').data.filter(t => t.visible === 'legendonly').map(t => t.name)"
        )
        assert sorted(hidden) == [category for category in sorted(KNOWN) if category.startswith("A_")]


@browser.needed
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_readable_on_a_phone_in_light_and_in_dark(folder: Path, dark: bool) -> None:
    with browser.opened(folder / "report.html", width=390, height=844, dark=dark) as seen:
        browser.drawn(seen.page, "bars")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        bright = "(() => { const c = getComputedStyle(document.body).backgroundColor.match(/\\d+/g); return +c[0]; })()"
        before = seen.page.evaluate(bright)
        assert (before < 100) == dark
        seen.page.locator("#theme").click()
        assert (seen.page.evaluate(bright) < 100) != dark


@browser.needed
def test_names_from_other_people_are_text_and_never_code(folder: Path, tmp_path: Path) -> None:
    """A category called like a tag is shown as it is written."""
    name = "C_</script><img src=x onerror=alert(1)>"
    points = charts.Points(np.zeros((3, 2), np.float32), np.array([name] * 3), np.arange(3), ("a", "b"))
    table = charts.ReportTable("t", name, name, [name], [[name]], [False])
    figure = charts.ReportFigure("known", name, name, {name: points})
    source = ReportSource(tmp_path, "run", {"remarks": [name], "provenance": None}, read_report_source(folder).runs)
    shown = ShownFaces()
    shown.add([name, f"{name}2", "<!--<script>"], [name] * 3, ["", name, name])
    (tmp_path / "p.html").write_text(report._render(source, [table], [figure], shown), encoding="utf-8")
    with browser.opened(tmp_path / "p.html") as seen:
        seen.page.on("dialog", lambda dialog: seen.errors.append("it ran"))
        browser.drawn(seen.page, "known")
        assert seen.page.inner_text("h1") == "KCE run"
        assert name in seen.page.inner_text("#t")
        assert seen.page.locator("img").count() == 0
        assert seen.errors == []


@pytest.mark.slow
@browser.needed
def test_twenty_thousand_points_fit_into_a_page_and_are_drawn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The faces are as many different ones as a photograph has: noise would be larger, flat ones smaller."""
    n, random = 20_000, np.random.default_rng(0)
    for number in range(64):
        soft = cv2.GaussianBlur(random.normal(128, 90, (64, 64, 3)), (0, 0), 3) + random.normal(0, 4, (64, 64, 3))
        (tmp_path / f"A_X/{number}.png").parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"A_X/{number}.png"), np.clip((soft - 128) * 3 + 128, 0, 255).astype(np.uint8))
    blank = dict.fromkeys(FaceRow._fields, "") | {"category": "A_X", "dataset": "A", "method": "X", "real": "0"}
    lines = [FaceRow(**blank | {"key": f"A_X/face-{number}", "file": f"A_X/{number % 64}.png"}) for number in range(n)]
    write_csv_table(tmp_path / "faces.csv", FaceRow._fields, lines)
    faces = read_faces(tmp_path)
    monkeypatch.setattr(ReportSource, "faces", lambda _: faces)
    shown = ShownFaces()
    rows = Features(
        faces.key[:],
        np.array([f"A_{number % 27}" for number in range(n)]),
        np.array([f"r{number // 100}" for number in range(n)]),
        random.normal(0, 1, (n, 2)).astype(np.float32),
    )
    numbers = shown.add(rows.key.tolist(), rows.label.tolist(), rows.group.tolist())
    points = charts.Points(rows.x, rows.label, numbers, ("a", "b"), nearest_of_other_recordings(rows))
    figure = charts.ReportFigure("known", "Known", "", {"all": points})
    page = report._render(read_report_source(folder), [], [figure], shown)
    (tmp_path / "p.html").write_text(page, encoding="utf-8")
    assert (tmp_path / "p.html").stat().st_size < 15 * 2**20
    with browser.opened(tmp_path / "p.html") as seen:
        browser.drawn(seen.page, "known")
        assert seen.page.evaluate("document.querySelectorAll('#plot-known canvas').length") > 0
        assert seen.errors == []


def test_figures_for_print_and_tables_for_papers_are_there(folder: Path) -> None:
    for name in FIGURES:
        picture = cv2.imread(str(folder / "figures" / f"{name}.png"))
        assert picture is not None
        assert picture.std() > 2  # something is drawn
        assert (folder / "figures" / f"{name}.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
    assert "Calinski-Harabasz" in (folder / "figures" / "bars.svg").read_text(encoding="utf-8")
    rows = list(csv.reader((folder / "tables" / "scores.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["evaluator", "score", "value", "low", "high", "n", "seed", "unknown_recordings"]
    document = json.loads((folder / "report.json").read_text())
    ours = document["scores"]["calinski-harabasz"]["calinski_harabasz"]
    interval = document["intervals"]["calinski-harabasz"]["calinski_harabasz"]
    assert [float(cell) for cell in rows[1][2:5]] == [ours, *interval]  # to the last digit
    assert f"| {ours:.4g} | {interval[0]:.4g} to {interval[1]:.4g} |" in (folder / "tables" / "scores.md").read_text(
        "utf-8"
    )
    assert (folder / "tables" / "plan.tex").read_text().count(r"\\") == len(KNOWN) + 1


def test_a_report_made_again_is_the_same_and_needs_no_faces(folder: Path, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in [*folder.glob("figures/*"), *folder.glob("tables/*")]}
    away = folder.parent / "away"
    (folder.parent / "faces").rename(away)
    try:
        write_report(folder, files=True)
        after = {p.name: p.read_bytes() for p in [*folder.glob("figures/*"), *folder.glob("tables/*")]}
        assert after == before
    finally:
        away.rename(folder.parent / "faces")
        write_report(folder)


def test_latex_and_markdown_escape_what_they_read() -> None:
    table = charts.ReportTable("t", "T", "n", ["a_b", "50 %"], [["x|y&z", "1"]], [False, True])
    assert r"a\_b & 50 \% \\" in table_export.table_as_latex(table)
    assert r"x\textbar{}y\&z & 1 \\" in table_export.table_as_latex(table)
    assert "| x\\|y&z | 1 |" in table_export.table_as_markdown(table)
    assert table_export.table_as_csv(table) == "a_b,50 %\nx|y&z,1\n"
    with_records = replace(table, records=[{"a": "x|y&z", "b": 0.1}, {"a": None, "c": "d,e"}])
    assert table_export.table_as_csv(with_records) == 'a,b,c\nx|y&z,0.1,\n,,"d,e"\n'


def test_every_chart_can_be_drawn_on_the_page_and_in_print(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    category = np.array([f"A_{n % 11}" for n in range(60)])
    drawn: list[charts.Chart] = [
        charts.Points(random.normal(0, 1, (60, 2)).astype(np.float32), category, np.arange(60), ("a", "b")),
        charts.Points(random.normal(0, 1, (60, 3)).astype(np.float32), category, np.arange(60), ("a", "b", "c")),
        charts.Matrix(np.eye(3), ["a", "b", "c"], "u"),
        charts.Lines({"one": ([1, 2], [3, 4])}, "x", "y", {"2": 2}),
        charts.Bars(["p", "q"], {"g": [(1, 0.5, 2), None], "h": [(2, 2, 2), (1, 1.2, 1.5)]}, "y"),
        charts.Flow([("a", "x"), ("b", "x"), ("c", "y")]),
    ]
    for number, chart in enumerate(drawn):
        document = plotly_charts.plotly_figure(chart)
        assert document["data"]
        png, svg = matplotlib_charts.write_chart_files(tmp_path, f"chart {number}", chart)
        assert png.stat().st_size > 2000
        assert (
            svg.read_bytes() == matplotlib_charts.write_chart_files(tmp_path, f"chart {number}", chart)[1].read_bytes()
        )
    # Eleven categories have eleven looks: colours come round, and then the marker changes.
    looks = {(t["marker"]["color"], t["marker"]["symbol"]) for t in plotly_charts.plotly_figure(drawn[0])["data"]}
    assert len(looks) == 11


def test_labels_at_one_position_do_not_overlap(tmp_path: Path) -> None:
    chart = charts.Lines({"one": ([1, 9], [3, 4])}, "x", "y", {"categories": 4.0, "elbow": 4.0, "end": 9.0})
    notes = [note["text"] for note in plotly_charts.plotly_figure(chart)["layout"]["annotations"]]
    assert notes == ["categories, elbow", "end"]
    assert "categories, elbow" in re.sub(
        r"<!--|-->", "", matplotlib_charts.write_chart_files(tmp_path, "c", chart)[1].read_text()
    )


def test_a_folder_without_a_proper_report_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"there is no .*report\.json"):
        write_report(tmp_path)
    line = {"classes": 2, "n": 9, "seed": 0, "calinski_harabasz": 1.5, "interval": None, "variance_share": 0.5}
    run_report = json.loads((folder / "report.json").read_text())
    del run_report["schema"]
    plans = {"x": {**line, "ari_truth": None}}
    demo = {"schema": 1, "report": "", "plan": {}, "plans": plans, "runs": {"../x": run_report}}
    for text, message in (
        (json.dumps(demo), "outside its folder"),
        (json.dumps({**demo, "plans": {"x": {**plans["x"], "n": "nine"}}}), 'n = "nine" is not a whole number'),
        (json.dumps({"plans": {}}), "has no schema version"),
        ("[]", "is not a report"),
        ("{", "cannot be read"),
        ("{}", "not the report of a run"),
    ):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(BadData, match=re.escape(message)):
            write_report(tmp_path)


def test_a_users_registry_cannot_break_a_report(kce: Callable[..., Any], at: Path, folder: Path) -> None:
    write(at, HOSTILE, mine=PLUGIN)
    done = kce("report", folder)
    assert done.returncode == 0, done.stderr
