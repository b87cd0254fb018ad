from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kce
from kce.api.cut import CutResult
from kce.api.results import Result
from kce.api.score import ScoreResult
from kce.system.text import visible_text
from tests.support.corpus import UNKNOWN, face_folder

SCORED = {
    "n": 4,
    "seed": 0,
    "scores": {"a": {"one": 1 / 3, "two": 2.0}},
    "intervals": {"a": {"one": [0.1, 0.5], "two": None}},
    "remarks": [],
}


class Seen(HTMLParser):
    """The tags of a page without attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


class Table(Result):
    def _records(self) -> list[dict[str, Any]]:
        return list(self._document["rows"])

    def _summary(self) -> str:
        return str(self._document["title"])


def test_a_frame_has_whole_numbers_and_the_ends_of_intervals() -> None:
    frame = ScoreResult(SCORED).to_frame()
    assert list(frame.columns) == ["evaluator", "score", "value", "low", "high", "n", "seed"]
    assert frame.value.tolist() == [1 / 3, 2.0]
    assert frame.low.isna().tolist() == [False, True]


def test_a_document_cannot_be_changed_from_outside() -> None:
    result = ScoreResult(SCORED)
    result.to_dict()["scores"]["a"]["one"] = 7
    result.scores["a"]["one"] = 7
    assert result.to_dict() == SCORED


@given(st.text(), st.text())
def test_names_of_others_stay_text(title: str, cell: str) -> None:
    row = {"name": cell, f"{cell}!": 3}
    result = Table({"title": title, "rows": [row]})
    seen = Seen()
    seen.feed(result._repr_html_())
    assert seen.tags <= {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert "".join(seen.text) == "".join(map(visible_text, [title, *row, *map(str, row.values())]))
    assert repr(result) == f"<Table: {visible_text(title)}>"


def test_a_long_table_is_cut_in_a_notebook() -> None:
    shown = Table({"title": "t", "rows": [{"a": n} for n in range(1000)]})._repr_html_()
    assert shown.count("<tr>") == 51
    assert "950 more rows" in shown


def test_without_pandas_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(kce.KCEError) as error:
        ScoreResult(SCORED).to_frame()
    assert error.value.hint == 'pip install "kce-toolkit[pandas]"'


def test_what_was_made_before_an_error_is_in_it(at: Path) -> None:
    (at / "data" / "real").mkdir(parents=True)
    (at / "data" / "real" / "1.png").write_bytes(b"no picture")
    (at / "data" / "swap").mkdir()
    (at / "data" / "swap" / "1.png").write_bytes(b"no picture")
    with pytest.raises(kce.KCEError) as error:
        kce.cut("folder", root="data", to=at / "faces", detector="whole", workers=0, progress=False)
    assert isinstance(error.value.result, CutResult)
    assert error.value.result.faces == 0
    assert len(error.value.result.problems) == 2


def test_a_whole_run_gives_what_the_command_prints(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    face_folder(at)
    capfd.readouterr()
    said: list[tuple[str, int, int | None]] = []
    choices: dict[str, Any] = {"faces": at / "faces", "unknown": UNKNOWN, "reducer": "pca:n_components=4"}
    planned = kce.run("r", **choices, backbone="tiny:size=16,width=2", epochs=1, until="plan", progress=False)
    assert planned.report is None
    assert planned.scores == {}
    assert planned.to_frame()["class"].tolist() == list(dict(sorted(planned.plan.items())).values())
    made = kce.run("r", progress=lambda *what: said.append(what))
    assert capfd.readouterr().out == ""
    assert said
    assert made.to_dict() == json.loads((at / "r" / "report.json").read_text())
    assert made.report is not None
    assert made.report.is_file()
    unknown = made.load_features()
    assert unknown.categories == sorted(UNKNOWN)
    scored = kce.score(at / "r" / "features.h5:/unknown", evaluator=["silhouette"])
    assert scored.to_dict() == kce.score(unknown, evaluator="silhouette").to_dict()
    assert kce.report(at / "r", progress=False).report == at / "r" / "report.html"
