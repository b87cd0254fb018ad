"""Laws of tables on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kce.cli.table_layout import table_lines

Table = tuple[list[str], list[list[str]], list[str], list[str]]
CELLS = st.lists(st.text("ab0.-원", min_size=1, max_size=30), max_size=3).map(" ".join)
WIDTHS = st.integers(40, 120)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A head with its rows, the columns of prose, and the secondary ones."""
    size = draw(st.integers(1, 7))
    head = [f"{draw(CELLS)} column{number}".strip() for number in range(size)]
    rows = draw(st.lists(st.lists(CELLS | st.just("same"), min_size=size, max_size=size), max_size=5))
    some = st.lists(st.sampled_from(head), unique=True)
    return head, rows, draw(some), draw(some)


@given(tables(), WIDTHS)
def test_no_cell_is_broken_and_each_is_printed_or_its_column_is_named_as_left_out(table: Table, width: int) -> None:
    head, rows, prose, secondary = table
    text = "\n".join(table_lines(head, rows, width, prose, secondary))
    joined = " ".join(text.split())  # what is wrapped between words is whole here
    _, _, left_out = joined.partition("left out at this width")
    for row in rows:
        for title, cell in zip(head, row, strict=True):
            if title in prose:
                words = cell.split()
                assert all(word in text for word in words) or (title in secondary and title in left_out)
            else:
                assert cell in text or (title in secondary and title in left_out)


@given(tables(), WIDTHS)
def test_a_line_is_wider_than_the_terminal_only_where_one_value_is(table: Table, width: int) -> None:
    head, rows, prose, secondary = table
    longest = max((cell_len(text) for row in [head, *rows] for text in row), default=0)
    titles = max(map(cell_len, head))
    for line in table_lines(head, rows, width, prose, secondary):
        assert cell_len(line) <= max(width, longest + titles + len("left out at this width (--json has them): ,"))


@given(tables())
def test_a_pipe_has_a_line_for_each_row(table: Table) -> None:
    head, rows, prose, secondary = table
    lines = table_lines(head, rows, None, prose, secondary)
    assert len(lines) == 2 + len(rows)
    assert all(cell in line for line, row in zip(lines[2:], rows, strict=True) for cell in row)


def test_what_is_the_same_in_each_row_is_said_once_before_anything_is_left_out() -> None:
    head, rows = ["name", "seed", "value"], [["a" * 30, "0", "1.5"], ["b" * 30, "0", "2.5"]]
    assert table_lines(head, rows, 80)[2].split() == ["a" * 30, "0", "1.5"]
    narrow = table_lines(head, rows, 40, secondary=["value"])
    assert narrow[2].split() == ["a" * 30, "1.5"]
    assert narrow[-1] == "in every row: seed 0"
    assert table_lines(head, rows, 36, secondary=["value"])[-1] == "left out at this width (--json has them): value"
