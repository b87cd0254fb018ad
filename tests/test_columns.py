from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kce.columns import laid_out

WORDS = st.text(alphabet="ab -원Ω", max_size=30)
TABLES = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), max_size=5))


def plain(lines: list[str]) -> str:
    return "".join("".join(lines).split())


@given(TABLES)
def test_without_a_width_a_row_is_a_line_and_cells_stand_below_their_head(rows: list[list[str]]) -> None:
    head = [f"head{n}" for n in range(len(rows[0]) if rows else 1)]
    first, rule, *lines = laid_out(head, rows)
    assert len(lines) == len(rows)
    assert set(rule) == {" ", "─"}
    starts = [first.index(name) for name in head]
    for row, line in zip(rows, lines, strict=True):
        for cell, start in zip(row, starts, strict=True):
            before = next((line[:n] for n in range(len(line) + 1) if cell_len(line[:n]) >= start), line)
            assert line[len(before) :].startswith(cell.rstrip()) or not cell.strip()


@given(TABLES, st.integers(30, 60))
def test_a_narrow_terminal_folds_cells_and_loses_nothing(rows: list[list[str]], width: int) -> None:
    head = [f"head{n}" for n in range(len(rows[0]) if rows else 1)]
    _, rule, *lines = laid_out(head, rows, width, "-")
    assert all(cell_len(line) <= width for line in (rule, *lines))
    assert sorted(plain(lines)) == sorted(plain([cell for row in rows for cell in row]))


def test_words_stay_whole_where_they_can() -> None:
    lines = list(laid_out(["name", "licence"], [["DF40", "by form of the authors, non-commercial"]], 30, "-"))
    assert lines == [
        " name   licence",
        " -----------------------------",
        " DF40   by form of the",
        "        authors,",
        "        non-commercial",
    ]


def test_a_line_break_in_a_cell_breaks_no_row() -> None:
    assert list(laid_out(["a"], [["one\ntwo"]]))[2:] == [" one two"]
