"""Rows of a CSV file, one for each picture or video."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from kce import BadData, Unparsed

from .names import Names, Unclear

YES = {**dict.fromkeys(("1", "1.0", "true", "yes"), True), **dict.fromkeys(("0", "0.0", "false", "no"), False)}
TRUTHS = {"real": True, "is_real": True, "fake": False, "is_fake": False}  # column -> what a 1 in it stands for
ABOUT_LABELS = ("label", *TRUTHS, "method", "category", "dataset")
"""The columns that ``row_is_real`` reads."""
SAY_WHICH = (
    'say folder:label_is="fake" if 1 stands for a forgery, folder:label_is="real" if it stands for a real; or call the '
    "column is_fake or is_real"
)


class Contradiction(Exception):
    """What a row says of its label contradicts itself."""


def read_rows(path: Path, has_dataset: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, and the numbers of their lines. Names of columns are in lower case.

    Raises:
        BadData: It cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            _check_columns(rows.fieldnames, path, has_dataset)
            for row in rows:
                yield rows.line_num, {name: value.strip() for name, value in row.items() if isinstance(value, str)}
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadData(f"{path} is not readable CSV: {error}", "save it as CSV in UTF-8") from error


def _check_columns(columns: list[str], path: Path, has_dataset: bool) -> None:
    required = [("file", "path"), ("label", *TRUTHS), ("method",), *([] if has_dataset else [("dataset",)])]
    if missing := [" or ".join(names) for names in required if not {*names} & {*columns}]:
        raise BadData(f"{path} has no column {', '.join(missing)}", "the first line must name the columns")
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise BadData(f"{path} has two columns {twice[0]}", "remove one of them")


def row_is_real(row: dict[str, str], folders: tuple[str, ...], names: Names, label_is: str) -> bool:
    """Whether a row is of a real.

    Args:
        row: The texts by column.
        folders: The folders of its file.
        names: What names say.
        label_is: What a 1 in the column label stands for, "real" or "fake"; empty = unknown.

    Raises:
        Unclear: A label is 0 or 1, and nothing says which of them is real.
        Contradiction: Columns, or the folders, contradict each other.
        Unparsed: Nothing says what it is.
    """
    says: list[tuple[str, bool | None]] = [
        (name, _flag(text, one, names)) for name, one in TRUTHS.items() if (text := row.get(name))
    ]
    if label := row.get("label", ""):
        bare = YES.get(label.lower())
        if bare is None:
            says.append(("label", _word(label, names)))
        elif label_is:
            says.append(("label", bare == (label_is == "real")))
        elif not says:
            reason = f"the label {label} stands for reals in some datasets, and for forgeries in others"
            raise Unclear("column label", reason, SAY_WHICH)
    if not says:
        raise Unparsed("it has no label")
    real = bool(says[0][1])
    if method := row.get("method", ""):
        says.append(("method", names.method_truth(method)))
    if category := row.get("category", ""):
        says.append(("category", names.method_truth(category.removeprefix(f"{row.get('dataset', '')}_"))))
    of_folders = names.truth_of_folders(folders)
    if of_folders not in (None, real) or any(truth not in (None, real) for _, truth in says):
        described = {truth: f"{column}={row[column]}" for column, truth in reversed(says)}
        described.setdefault(of_folders, f"the folder {'/'.join(folders)}")
        raise Contradiction(f"{described[True]} says real, {described[False]} says fake")
    return real


def _flag(text: str, one: bool, names: Names) -> bool:
    """Whether a cell says real, in a column where 1 stands for a real (`one`) or for a forgery."""
    yes = YES.get(text.lower())
    return _word(text, names) if yes is None else yes == one


def _word(text: str, names: Names) -> bool:
    truth = names.label_truth(text)
    if truth is None:
        raise Unparsed(f"the label {text[:80]!r} is neither a word for reals nor one for forgeries")
    return truth


def frame_number(text: str) -> int | None:
    """The number of a frame; None for an empty text. Raises Unparsed for any other text."""
    if text and not re.fullmatch("[0-9]{1,9}", text):
        raise Unparsed(f"the frame {text[:80]!r} is not a number")
    return int(text) if text else None
