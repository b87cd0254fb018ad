"""TOML files to start from: every key of a document, with what it means and its default."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

import tomlkit

from kce.system.documents import describe_type, is_model, model_keys
from kce.system.field_docs import field_meanings

_WIDTH = 100


def commented_keys(model: Any, given: Mapping[str, Any], leave_out: Collection[str] = (), table: str = "") -> str:
    """Write the keys of a dataclass as TOML, each below a comment with its meaning.

    Keys that are given have their value; the others are commented out, with their default, or with what may stand
    there if they have none. Tables inside come last, with all their keys commented out.

    >>> from kce.types import Box
    >>> print(commented_keys(Box, {"left": 3, "top": 0}, leave_out=("right", "bottom")))
    # Column of the left side.
    left = 3
    # Row of the upper side.
    top = 0
    # The detector's confidence, in [0, 1].
    # score = 1.0

    Args:
        model: The dataclass.
        given: Key -> value.
        leave_out: Keys that are not written.
        table: The name of the table the keys stand in; its line is written first.
    """
    meanings, kinds = field_meanings(model), model_keys(model)
    lines, tables = [f"[{table}]"] if table else [], list[str]()
    for item in dataclasses.fields(model):
        if item.name in leave_out:
            continue
        hint = kinds[item.name][0]
        if is_model(hint):
            inside = f"{table}.{item.name}" if table else item.name
            tables += ["", *comment_lines(meanings[item.name]), commented_keys(hint, {}, leave_out, inside)]
            continue
        lines += comment_lines(meanings[item.name])
        if item.name in given:
            lines.append(f"{item.name} = {_written(given[item.name])}")
        elif item.default in (None, dataclasses.MISSING):
            lines.append(f"# {item.name} = <{describe_type(hint)}>")
        else:
            lines.append(f"# {item.name} = {_written(item.default)}")
    return "\n".join([*lines, *tables])


def comment_lines(text: str) -> list[str]:
    """Break a text into comment lines.

    >>> comment_lines("What it means.")
    ['# What it means.']
    """
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _written(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return str(tomlkit.item(value).as_string())
