"""The text form of a component, ``NAME:key=value,key=value`` with TOML values, and its check against a signature."""

from __future__ import annotations

import inspect
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kce.errors import BrokenPlugin, KCEError, UnknownName


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """("kmeans", {"n_clusters": 19}) of "kmeans:n_clusters=19". A value that is no TOML is a plain string."""
    name, _, rest = spec.partition(":")
    if not name:
        raise KCEError(f"{spec!r} names nothing", "write NAME or NAME:key=value,key=value")
    parameters: dict[str, Any] = {}
    for item in _split(rest):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise KCEError(f"{spec!r}: {item!r} is not key=value", "write NAME:key=value,key=value")
        if key in parameters:
            raise KCEError(f"{spec!r} sets {key!r} twice", "leave one of them out")
        parameters[key] = _value(value.strip())
    return name, parameters


def format_spec(name: str, parameters: Mapping[str, Any]) -> str:
    """The text that `parse_spec` turns back into these; values that have no text form are shown by their repr."""
    items = [f"{key}={_text(value)}" for key, value in parameters.items() if value is not None]
    return f"{name}:{','.join(items)}" if items else name


def _text(value: Any) -> str:
    if isinstance(value, str | Path):
        plain = str(value)
        bare = _value(plain) == plain == plain.strip() and not set(plain) & set(",\"'[]{}")
        return plain if bare else json.dumps(plain, ensure_ascii=False)
    if isinstance(value, bool | int | list):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _split(text: str) -> list[str]:
    """Cut at the commas that stand outside quotes and brackets."""
    items, start, depth, quote, escaped = [], 0, 0, "", False
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and quote == '"' and not escaped  # TOML escapes in double quotes alone
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            items.append(text[start:place])
            start = place + 1
    return [item for item in (*items, text[start:]) if item.strip()]


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A date or a line break inside would be read as something the user did not write.
    return value["value"] if set(value) == {"value"} and type(value["value"]) in _PLAIN else text


_PLAIN = (bool, int, float, str, list, dict)


def factory_signature(what: str, factory: Callable[..., Any], *, types: bool = True) -> inspect.Signature:
    """The factory's keyword parameters. Raises BrokenPlugin where they cannot be the whole configuration.

    types  their annotations as types, where they are; else as the factory has them, which is found twice as quickly
    """
    try:
        try:
            found = inspect.signature(factory, eval_str=types)
        except (NameError, TypeError):  # a type known to the checker alone
            found = inspect.signature(factory)
    except ValueError as error:
        raise BrokenPlugin("signature", f"{what} has no readable signature: {error}") from error
    for parameter in found.parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BrokenPlugin(
                "signature",
                f"{what} takes {str(parameter)!r}: the keyword parameters of a factory are its whole configuration",
                "give each parameter a name that can be written as name=value",
            )
    return found


def bind_parameters(what: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter the factory will get, defaults included, in the signature's order; checked by name and type."""
    known = factory_signature(what, factory).parameters
    for key in given:
        if key not in known:
            raise UnknownName.among(f"parameter of {what}", key, known)
    bound = {}
    for key, parameter in known.items():
        if key in given:
            bound[key] = _checked(f"{what}: {key}", given[key], parameter.annotation)
        elif parameter.default is inspect.Parameter.empty:
            raise KCEError(f"{what} needs {key!r}", f"write it as {key}=VALUE, or set it in registry.toml")
        else:
            bound[key] = parameter.default
    return bound


def _checked(what: str, value: Any, annotation: Any) -> Any:
    """The value, if the annotation says nothing against it; only plain types are judged."""
    wanted = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if not all(kind in (bool, int, float, str, Path, type(None)) for kind in wanted) or isinstance(value, Path):
        return value
    if type(value) in wanted:
        return value
    if float in wanted and type(value) is int:
        return float(value)
    if Path in wanted and isinstance(value, str):
        return Path(value)
    if str in wanted and type(value) in (int, float):
        return str(value)
    names = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in wanted)
    raise KCEError(f"{what} = {value!r} is not {names}", "values are written as in TOML: 3, 0.5, true, text")
