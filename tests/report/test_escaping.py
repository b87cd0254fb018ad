"""Names of others at the edges of a report: page, figures and tables show them, and do nothing they say."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.report import matplotlib_charts, table_export
from kce.report.charts import Bars, Chart, Flow, Lines, Matrix, Points, ReportFigure, ReportTable
from kce.report.escaping import latex_text, markdown_text, plotly_text, spreadsheet_cell
from kce.report.html_page import render_page
from kce.report.packing import pack_array, pack_texts
from kce.system.text import visible_text
from tests.support import browser

HOSTILE = (
    "<script>window.hit = 1</script>",
    "</script><script>window.hit = 2</script>",
    "<img src=x onerror='window.hit = 3'>",
    "\"'><svg onload=window.hit=4>",
    "<a href='javascript:window.hit = 5'>A</a>",
    "<b>bold</b><br>{{ 1 / 0 }} %{x}",
    "&lt;script&gt;&amp;",
    "<!--",
    "=cmd|' /C calc'!A0",
    "\\input{/etc/passwd} $\\frac$ 100% #1 _x^2 ~{}",
    "a\nb\r\nc\x1b[31m\u202e\u2028",
    "2020-01-01",
    "1",
    "constructor",
    "__proto__",
    "\udcff",
    "원천 é",
)


def every_chart() -> dict[str, Chart]:
    """A chart of each kind that shows the hostile names."""
    n = len(HOSTILE)
    category = np.array(HOSTILE)
    flat = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return {
        "points": Points(flat, category, np.arange(n), (HOSTILE[0], HOSTILE[1])),
        "matrix": Matrix(np.eye(n), HOSTILE, HOSTILE[2]),
        "lines": Lines({name: ([0.0, 1.0], [0.0, 1.0]) for name in HOSTILE}, "x", "y", {HOSTILE[0]: 1.0}),
        "bars": Bars(HOSTILE, {HOSTILE[0]: [(1.0, 0.5, 1.5)] * n}, "y"),
        "flow": Flow([(name, HOSTILE[0]) for name in HOSTILE]),
    }


TABLE = ReportTable("names", HOSTILE[0], HOSTILE[10], HOSTILE[:2], [(name, name) for name in HOSTILE], (False, False))


@browser.needed
def test_names_on_a_page_are_shown_and_run_nothing(tmp_path: Path) -> None:
    figures = [ReportFigure(name, HOSTILE[1], HOSTILE[2], {HOSTILE[0]: chart}) for name, chart in every_chart().items()]
    numbers = np.full(len(HOSTILE), -1)
    plan = {
        "table": "names", "map": HOSTILE[0], "columns": [HOSTILE[1]],
        "rows": [[name, [HOSTILE[number // 2]], [number]] for number, name in enumerate(HOSTILE)],
    }  # fmt: skip
    faces = {
        "keys": list(HOSTILE), "categories": pack_texts(HOSTILE), "recordings": pack_texts(HOSTILE),
        "datasets": {name: name for name in HOSTILE}, "picture": pack_array(numbers), "thumbnails": [], "plans": [plan],
        "same_name": dict.fromkeys(HOSTILE, HOSTILE[1]), "problem": HOSTILE[0],
    }  # fmt: skip
    page = render_page(HOSTILE[1], [TABLE], figures, HOSTILE, faces)
    (tmp_path / "page.html").write_bytes(page.encode())
    with browser.opened(tmp_path / "page.html") as seen:
        for figure in figures:
            browser.drawn(seen.page, figure.name)
        cells = seen.page.locator("#names tbody tr td:first-child").all_inner_texts()
        assert cells[:9] == list(HOSTILE[:9])
        assert cells[10] == "a b\\r c\\x1b[31m\\u202e\\u2028"
        ticks = seen.page.locator("#plot-bars .xtick text").all_text_contents()
        assert [HOSTILE[n] in ticks for n in (0, 2, 4, 6, 11, 12)] == [True] * 6
        seen.page.locator("#plot-points").focus()
        for _ in HOSTILE[:6]:
            seen.page.keyboard.press("ArrowRight")
            seen.page.wait_for_function("getComputedStyle(card).display !== 'none'")
        panel = seen.page.locator("#panel")
        for number, name in enumerate(HOSTILE):
            shown = visible_text(name)
            seen.page.locator("#names td button").nth(number).click()
            assert (
                panel.locator("h2").text_content()
                == f"{shown} → {visible_text(HOSTILE[number // 2])} (plan {HOSTILE[1]})"
            )
            assert shown in panel.locator("h3").first.text_content()
            panel.locator(".tiles button").first.click()
            assert panel.locator("h2").text_content() == shown
            assert panel.locator("dd").last.text_content() == shown
            assert panel.locator(":is(script, img, svg, a, b)").count() == 0
            seen.page.keyboard.press("Escape")
        assert "&lt;" not in seen.page.locator("fieldset").inner_text().replace(HOSTILE[6], "")
        assert seen.page.locator(".plot a").count() == 0
        assert seen.page.evaluate("window.hit") is None
        assert seen.errors == []


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", ["points", "matrix", "lines", "bars", "flow"])
def test_names_in_a_printed_figure_are_no_formulas(tmp_path: Path, kind: str) -> None:
    _, svg = matplotlib_charts.write_chart_files(tmp_path, kind, every_chart()[kind])
    text = svg.read_text(encoding="utf-8")
    assert "<script" not in text
    if kind != "points":
        assert r"$\frac$" in text


def test_a_table_for_latex_holds_no_command_of_a_name() -> None:
    text = table_export.table_as_latex(TABLE)
    ours = {"begin", "end", "toprule", "midrule", "bottomrule", "textbackslash", "textasciitilde", "textasciicircum",
            "textless", "textgreater", "textbar", "textasciigrave", "textquotedbl"}  # fmt: skip
    assert set(re.findall(r"\\([A-Za-z]+)", text.partition("\n%")[0])) <= ours
    assert len(text.splitlines()) == 6 + len(HOSTILE) + 1
    assert text.splitlines()[-1].startswith("% <script>")


@given(st.text())
def test_no_text_is_active_in_latex(text: str) -> None:
    written = latex_text(text)
    for ours in (r"\\text[a-z]+\{\}", r"\\[&%$#_{}]", r"\$\\pm\$", r"\{[\[\]*]\}"):
        written = re.sub(ours, "", written)
    assert not set(written) & set("\\{}$&#^_~%[]*\n\r\f")


@given(st.text())
def test_a_spreadsheet_opens_every_name_as_text(text: str) -> None:
    line = io.StringIO(newline="")
    csv.writer(line).writerow([spreadsheet_cell(text)])
    assert line.getvalue().count("\n") == 1
    (cell,) = next(csv.reader([line.getvalue()]))
    if cell.lstrip().startswith(("=", "+", "-", "@")):
        float(cell)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\t=1"),
        (" =1", "' =1"),
        ("-x", "'-x"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        (-0.5, -0.5),
        (None, None),
        ("A_x", "A_x"),
        ("", ""),
    ],
)
def test_only_what_would_be_a_formula_is_changed(value: object, cell: object) -> None:
    assert spreadsheet_cell(value) == cell


@given(st.text())
def test_a_name_stays_in_its_cell_of_markdown(text: str) -> None:
    written = markdown_text(text)
    assert "\n" not in written
    assert not re.search(r"(?<!\\)(\\\\)*[|<>`\[\]]", re.sub(r"\\[|<>`\[\]*_\\]", "", written))


@given(st.text())
def test_the_page_reads_the_names_of_figures_back(text: str) -> None:
    import html

    written = plotly_text(text)
    assert not set(written) & set("<>")
    assert html.unescape(written).isprintable() or not written.isprintable()
