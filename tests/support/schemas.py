"""For every key of a schema: values that do not belong there, and whole tables but for one such value."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from kce.system import documents

VALUES: tuple[Any, ...] = (
    None,
    True,
    3,
    0.5,
    "no such text",
    [],
    [7],
    {},
    {"no such key": 1},
    [[True]],
    {"a": {"b": "c"}},
)
"""One of each type that TOML and JSON know, and some inside others."""


def fits(value: Any, expected: Any) -> bool:  # noqa: PLR0911 - one return for each kind of type
    """Whether a value belongs to a type, as this test sees it."""
    kind, of = get_origin(expected) or expected, get_args(expected)
    if expected is Any:
        return True
    if kind in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in of)
    if kind is Literal:
        return value in of
    if kind is float:
        return type(value) in (int, float)
    if fixed(expected):
        return isinstance(value, list) and len(value) == len(of) and all(map(fits, value, of))
    if kind in (list, tuple, Sequence):
        return isinstance(value, list) and all(fits(item, of[0]) for item in value)
    if kind in (dict, Mapping):
        return isinstance(value, dict) and all(fits(item, of[1]) for item in value.values())
    if documents.is_model(kind):
        return value == {} and not any(required for _, required in documents.model_keys(kind).values())
    return type(value) is kind


def fixed(expected: Any) -> bool:
    """Whether a type is a list of so many values."""
    return get_origin(expected) is tuple and Ellipsis not in get_args(expected)


def example(expected: Any) -> Any:
    """A value that fits."""
    if documents.is_model(expected):
        return {key: example(kind) for key, (kind, required) in documents.model_keys(expected).items() if required}
    if get_origin(expected) is Literal:
        return get_args(expected)[0]
    if fixed(expected):
        return [example(part) for part in get_args(expected)]
    return next(value for value in (3, "a", True, [], {}, None) if fits(value, expected))


def paths(expected: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(where, type) of every key, list item and table value below a type; an item is called 0, a table's key "a b"."""
    kind, of = get_origin(expected) or expected, get_args(expected)
    if path:
        yield path, expected
    if documents.is_model(kind):
        for key, (inner, _) in documents.model_keys(kind).items():
            yield from paths(inner, (*path, key))
    elif kind in (typing.Union, types.UnionType):
        for part in of:
            yield from (item for item in paths(part, path) if item[0] != path)
    elif kind in (list, tuple, Sequence):
        yield from paths(of[0], (*path, 0))
    elif kind in (dict, Mapping):
        yield from paths(of[1], (*path, "a b"))


def placed(model: Any, path: Sequence[str | int], value: Any) -> Any:
    """The smallest table that fits `model`, with `value` at `path`."""
    if not path:
        return value
    kind, of = get_origin(model) or model, get_args(model)
    if kind in (typing.Union, types.UnionType):
        part = next(p for p in of if documents.is_model(p) or get_origin(p) in (list, tuple, dict, Mapping, Sequence))
        return placed(part, path, value)
    first, rest = path[0], path[1:]
    if documents.is_model(kind):
        return {**example(kind), first: placed(documents.model_keys(kind)[str(first)][0], rest, value)}
    if fixed(model):
        return [placed(of[0], rest, value), *map(example, of[1:])]
    if isinstance(first, int):
        return [placed(of[0], rest, value)]
    return {first: placed(of[1], rest, value)}


def name_of(path: Sequence[str | int]) -> str:
    """A path as errors write it."""
    text = ""
    for step in path:
        bare = str(step).replace("_", "").replace("-", "").isalnum()
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if bare else f'."{step}"'
    return text.lstrip(".")
