"""How a table fits a terminal: no number and no name is ever broken. Pure, so that its laws can be tested."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

GAP = 2
"""Spaces between columns."""

NARROWEST_PROSE = 24
"""A column of sentences is not made narrower than this."""


def table_lines(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    prose: Collection[str] = (),
    secondary: Sequence[str] = (),
) -> list[str]:
    r"""Return a table as lines of text, the first of these that fits.

    1. The table.
    2. Without columns that say the same in each row, the last first: a line below says it once.
    3. Without secondary columns: a line below names them.
    4. A record per row, all of it.

    Args:
        head: Title of each column.
        rows: The cells, one line each.
        width: Columns of the terminal; None = no limit.
        prose: Titles of columns of sentences, which may be wrapped between words.
        secondary: Titles of columns that may be left out, the least important last.

    >>> print(*table_lines(["name", "figure"], [["a", "1.25 (0.5 to 2.5)"]], 80), sep="\n")
    name  figure
    ----  -----------------
    a     1.25 (0.5 to 2.5)
    >>> print(*table_lines(["name", "figure"], [["a" * 30, "1.25 (0.5 to 2.5)"]], 40), sep="\n")
    name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      figure: 1.25 (0.5 to 2.5)
    """
    for shown, same, missing in _choices(head, rows, secondary):
        titles, columns = [head[at] for at in shown], [[row[at] for row in rows] for at in shown]
        if widths := _fit(titles, columns, width, prose):
            repeated = [f"{head[at]} {rows[0][at]}" for at in same]
            return [
                *_grid(titles, columns, widths, prose),
                *pack("in every row: ", repeated, width),
                *pack("left out at this width (--json has them): ", [head[at] for at in missing], width),
            ]
    return [line for row in rows for line in _record(head, row, width or 0, prose)]


def wrap_words(text: str, width: int) -> list[str]:
    """Return the lines of a text that is broken between words only: a longer word has a longer line.

    >>> wrap_words("share of variance", 8)
    ['share of', 'variance']
    """
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        if cell_len(f"{lines[-1]} {word}") > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


def pack(start: str, texts: Sequence[str], width: int | None) -> list[str]:
    """Return texts side by side, on as few lines as they fit; none is broken.

    >>> pack("in every row: ", ["n 10", "seed 0"], 20)
    ['in every row: n 10,', '  seed 0']
    """
    lines: list[str] = []
    for text in texts:
        if not lines:
            lines = [f"{start}{text}"]
        elif width is not None and cell_len(f"{lines[-1]}, {text},") > width:
            lines[-1] += ","
            lines.append(f"  {text}")
        else:
            lines[-1] += f", {text}"
    return lines


def _choices(
    head: Sequence[str], rows: Sequence[Sequence[str]], secondary: Sequence[str]
) -> list[tuple[list[int], list[int], list[int]]]:
    """The tables to try, each as the columns shown, those that are the same in each row, and those left out."""
    whole = list(range(len(head)))
    same = [at for at in whole if len(rows) > 1 and rows[0][at] and all(row[at] == rows[0][at] for row in rows)]
    choices: list[tuple[list[int], list[int], list[int]]] = [
        ([at for at in whole if at not in same[first:]], same[first:], [])
        for first in range(len(same), -1, -1)  # the last of them first: what matters most stands on the left
    ]
    varying = choices[-1][0]
    for number in range(1, len(secondary) + 1):
        missing = [at for at in varying if head[at] in secondary[-number:]]
        choices.append(([at for at in varying if at not in missing], same, missing))
    return choices


def _fit(
    titles: Sequence[str], columns: Sequence[Sequence[str]], width: int | None, prose: Collection[str]
) -> list[int]:
    """The width of each column; none if the narrowest are too wide together."""
    widths, wanted = [], []
    for title, cells in zip(titles, columns, strict=True):
        widest = max(map(cell_len, cells), default=0)
        word = max((cell_len(word) for cell in cells for word in cell.split(" ")), default=0)
        least = min(widest, max(NARROWEST_PROSE, word)) if title in prose else widest
        widths.append(max(least, _two_lines(title)))
        wanted.append(max(widest, cell_len(title)))
    if width is None:
        return wanted
    spare = width - sum(widths) - GAP * (len(widths) - 1)
    if spare < 0:
        return []
    for at in sorted(range(len(widths)), key=lambda at: wanted[at] - widths[at]):
        more = min(wanted[at] - widths[at], spare)
        widths[at] += more
        spare -= more
    return widths


def _two_lines(title: str) -> int:
    """The least width in which a title takes two lines."""
    words = title.split(" ")
    halves = ((" ".join(words[:at]), " ".join(words[at:])) for at in range(len(words)))
    return min(max(map(cell_len, pair)) for pair in halves)


def _grid(
    titles: Sequence[str], columns: Sequence[Sequence[str]], widths: Sequence[int], prose: Collection[str]
) -> list[str]:
    def lines(cells: Sequence[list[str]]) -> list[str]:
        tallest = max(map(len, cells))
        padded = [[*cell, *[""] * (tallest - len(cell))] for cell in cells]
        return [
            (" " * GAP).join(f"{text}{' ' * (wide - cell_len(text))}" for text, wide in zip(line, widths, strict=True))
            for line in zip(*padded, strict=True)
        ]

    def cell_lines(at: int, text: str) -> list[str]:
        return wrap_words(text, widths[at]) if titles[at] in prose else [text]

    head = lines([wrap_words(title, wide) for title, wide in zip(titles, widths, strict=True)])
    rule = lines([["-" * wide] for wide in widths])
    body = [
        line for row in zip(*columns, strict=True) for line in lines([cell_lines(*cell) for cell in enumerate(row)])
    ]
    return [line.rstrip() for line in (*head, *rule, *body)]


def _record(head: Sequence[str], row: Sequence[str], width: int, prose: Collection[str]) -> list[str]:
    """A row as its first cell and under it the others, each after its title; an empty cell says nothing."""
    first, *others = [(title, f"{title}: {cell}" if cell else "") for title, cell in zip(head, row, strict=True)]
    return [
        *(wrap_words(first[1], width) if first[0] in prose else first[1:]),
        *pack("  ", [text for title, text in others if text and title not in prose], width),
        *(f"  {line}" for title, text in others if text and title in prose for line in wrap_words(text, width - 2)),
    ]
