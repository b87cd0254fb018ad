"""Specs, the text form of a component: ``NAME:key=value,key=value`` with TOML values; and their check by signature."""

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
from kce.system.documents import describe_type


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split a spec into the name and the parameters. A value that is not TOML is a plain string.

    Raises:
        KCEError: The spec has no name, sets a parameter twice, or has something that is not key=value.

    Example:
        >>> parse_spec("kmeans:n_clusters=19,seed=1")
        ('kmeans', {'n_clusters': 19, 'seed': 1})
        >>> parse_spec("timm:model=resnet18")
        ('timm', {'model': 'resnet18'})
    """
    name, _, rest = spec.partition(":")
    if not name:
        raise KCEError(f"{spec!r} has no name", "write NAME or NAME:key=value,key=value")
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
    """Write a spec that ``parse_spec`` reads back; parameters that are None are left out.

    A value that TOML cannot express appears as its repr.

    Example:
        >>> format_spec("kmeans", {"n_clusters": 19, "seed": None})
        'kmeans:n_clusters=19'
    """
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
    """Split at the commas outside quotes and brackets."""
    items, start, depth, quote, escaped = [], 0, 0, "", False
    for position, character in enumerate(text):
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
            items.append(text[start:position])
            start = position + 1
    return [item for item in (*items, text[start:]) if item.strip()]


def _value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A date or a line break inside would be read as something the user did not write.
    return document["value"] if set(document) == {"value"} and type(document["value"]) in _TOML_TYPES else text


_TOML_TYPES = (bool, int, float, str, list, dict)


def factory_signature(what: str, factory: Callable[..., Any], *, types: bool = True) -> inspect.Signature:
    """Read the factory's keyword parameters.

    Args:
        what: How messages call the component: "clusterer 'kmeans'".
        factory: The factory.
        types: Whether to turn annotations into types where possible; it takes twice the time.

    Raises:
        BrokenPlugin: The keyword parameters cannot be the whole configuration.
    """
    if type(factory) is type and not any({"__init__", "__new__"} & vars(base).keys() for base in factory.__mro__[:-1]):
        return inspect.Signature()  # inspect would load a tokenizer to read "()": 5 ms of `kce list`
    try:
        try:
            signature = inspect.signature(factory, eval_str=types)
        except Exception:
            signature = inspect.signature(factory)
    except Exception as error:
        raise BrokenPlugin("signature", f"{what} has no readable signature: {error}") from error
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BrokenPlugin(
                "signature",
                f"{what} has the parameter {str(parameter)!r}, which cannot be written as name=value",
                "the keyword parameters of a factory are its whole configuration: give each of them a name",
            )
    return signature


def bind_parameters(what: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check parameters against a factory's signature, and add its defaults.

    Args:
        what: How messages call the component: "clusterer 'kmeans'".
        factory: The factory.
        given: The parameters by name.

    Returns:
        Every parameter the factory will get, in the signature's order; int becomes float, and str a Path, where the
        annotation says so.

    Raises:
        UnknownName: The factory has no such parameter.
        KCEError: A parameter is of the wrong type or missing.
        BrokenPlugin: As ``factory_signature`` raises it.
    """
    known = factory_signature(what, factory).parameters
    for key in given:
        if key not in known:
            raise UnknownName.among(f"parameter of {what}", key, known)
    bound = {}
    for key, parameter in known.items():
        if key in given:
            bound[key] = _checked(f"{what}: {key}", given[key], parameter.annotation)
        elif parameter.default is inspect.Parameter.empty:
            raise KCEError(
                f"{what} needs the parameter {key!r}", f"write {key}=VALUE after its name, or in registry.toml"
            )
        else:
            bound[key] = parameter.default
    return bound


def _checked(what: str, value: Any, annotation: Any) -> Any:
    """The value, if it fits the annotation; only plain types are checked."""
    allowed = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if not all(kind in (bool, int, float, str, Path, type(None)) for kind in allowed) or isinstance(value, Path):
        return value
    if type(value) in allowed:
        return value
    if float in allowed and type(value) is int:
        return float(value)
    if Path in allowed and isinstance(value, str):
        return Path(value)
    if str in allowed and type(value) in (int, float):
        return str(value)
    expected = describe_type(annotation, short=True)
    raise KCEError(f"{what} = {value!r} is not {expected}", "values are written as in TOML: 3, 0.5, true, text")
