r"""Documents: TOML and JSON files with a schema, read into typed models and written from them.

A document is a frozen dataclass (or a ``msgspec.Struct``, where a key differs from its attribute) that inherits from
``Document``. Its fields, with their types and defaults, are the only place that defines the keys of the file; tables
inside are models too. msgspec converts what fits; what does not fit is refused by file, key, value and expected type.

>>> import tempfile
>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Cell(Document):
...     NOUN = "a cell of a benchmark"
...     RENAMED = {"clusters": "n_clusters"}
...     clusterer: str
...     n_clusters: int | None = None
...     scores: tuple[float, ...] = ()
>>> path = Path(tempfile.mkdtemp()) / "cell.json"
>>> write_document(path, Cell("kmeans", scores=(0.5, 1.0)))
>>> print(path.read_text().replace("\n", ""))
{ "schema": 1, "clusterer": "kmeans", "n_clusters": null, "scores": [  0.5,  1.0 ]}
>>> read_document(path, Cell)
Cell(clusterer='kmeans', n_clusters=None, scores=(0.5, 1.0))

Wrong types, old keys, unknown keys and other schemas are errors with a hint:

>>> from kce.errors import KCEError
>>> for table in ({"clusterer": True}, {"clusterer": "kmeans", "clusters": 3}, {"clusterer": "kmeans", "score": []}):
...     try:
...         document_from_table({"schema": 1, **table}, Cell, "cell.json")
...     except KCEError as error:
...         print(error)
cell.json: clusterer = true is not a text
hint: write a text in quotes
cell.json: clusters is now called n_clusters
hint: write n_clusters instead of clusters
no key of cell.json named 'score'. Did you mean 'scores'? Known: clusterer, n_clusters, schema, scores
hint: write 'scores'
"""

from __future__ import annotations

import dataclasses
import functools
import json
import numbers
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

import msgspec

from kce.errors import BadData, UnknownName
from kce.system.atomic import write_atomic, write_json
from kce.system.os_errors import system_failure
from kce.system.regular import read_regular_text

_D = TypeVar("_D", bound="Document")
_T = TypeVar("_T")


class Document:
    """What all documents share.

    Attributes:
        NOUN: What errors call it, with its article: "a recipe".
        HINT: What to do about a file that is not one.
        SCHEMA: The version of its keys. It rises when a key changes its name, its type or its meaning.
        BY_HAND: Whether people write it from scratch; `schema` may then be left out, and means this version.
        RENAMED: Old key -> new key. The tables inside a document may have this too.
    """

    NOUN: ClassVar[str] = "a document"
    HINT: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1
    BY_HAND: ClassVar[bool] = False
    RENAMED: ClassVar[Mapping[str, str]] = {}


def read_document(path: Path, model: type[_D]) -> _D:
    """Read a TOML or JSON file.

    Args:
        path: The file; its suffix says which of the two it is.
        model: The class of the document.

    Returns:
        The document, with the defaults of what the file leaves out.

    Raises:
        MachineFault: The system does not let it be read.
        BadData: It does not exist, is not a file, has another schema, lacks a key, or a value is of another type.
        UnknownName: A key that the document does not have.
    """
    return document_from_table(read_table(path, model), model, str(path))


def read_table(path: Path, model: type[Document]) -> dict[str, Any]:
    """Read a TOML or JSON file as it is, to be looked at before ``document_from_table``.

    Raises:
        BadData: It does not exist, is not a file, or is not TOML or JSON.
        MachineFault: The system does not let it be read.
    """
    try:
        text = read_regular_text(path)
    except FileNotFoundError as error:
        raise BadData(f"{path} cannot be read: it does not exist", "check the path") from error
    except OSError as error:
        raise system_failure(f"{path} cannot be read", error) from error
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not {model.NOUN}: it is not UTF-8 text", model.HINT) from error
    try:
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path} is not {model.NOUN}: {error}", model.HINT) from error
    if not isinstance(table, dict):
        raise BadData(f"{path} is not {model.NOUN}: it is not a table", model.HINT)
    return table


def document_from_table(table: Mapping[str, Any], model: type[_D], where: str) -> _D:
    """The document of a parsed file; `where` is what errors call the file. Raises as ``read_document`` does."""
    _refuse_old_keys(table, model, where, "")
    if "schema" not in table and not model.BY_HAND:
        raise BadData(
            f"{where} has no schema version: it was written by an older KCE, or is not {model.NOUN}",
            f"if it is {model.NOUN}, add {_schema_line(model, where)} at its top, or make it again",
        )
    version = table.get("schema", model.SCHEMA)
    if version != model.SCHEMA or isinstance(version, bool):
        raise BadData(
            f"{where} has schema {_shown(version)}; this KCE reads and writes {model.NOUN} of schema {model.SCHEMA}",
            "use the KCE that wrote it, or make it again with this one",
        )
    return model_from_table({key: value for key, value in table.items() if key != "schema"}, model, where)


def _schema_line(model: type[Document], where: str) -> str:
    return f'"schema": {model.SCHEMA},' if where.endswith(".json") else f"schema = {model.SCHEMA}"


def model_from_table(table: Any, model: type[_T], where: str, key: str = "") -> _T:
    """Any model from plain tables, lists and values, without a schema version.

    Args:
        table: What was parsed.
        model: A dataclass or a ``msgspec.Struct``.
        where: What errors call the file.
        key: Where in the file the table is, with dots; empty = at the top.

    Raises:
        BadData: A key is missing or was renamed, or a value is of another type.
        UnknownName: A key that the model does not have.
    """
    table = msgspec.to_builtins(table, builtin_types=(datetime, date, time), enc_hook=_plain_value)
    _check_value(table, model, where, key)
    try:
        return msgspec.convert(table, model)
    except msgspec.ValidationError as error:  # a limit of its own, beside the type
        raise BadData(f"{where}: {error}", f"see {model.__name__} in {model.__module__}") from error


def checked_model(model: _T, where: str) -> _T:
    """A dataclass or Struct that was made in Python, its values in the types of their fields (3 as 3.0).

    Raises:
        BadData, UnknownName: As ``model_from_table`` does.
    """
    return model_from_table(model, type(model), where)


def write_document(path: Path, document: Document) -> None:
    """Write a document whole or not at all, with its schema version; the suffix of `path` says TOML or JSON."""
    write_table(path, document_to_table(document))


def write_table(path: Path, table: Mapping[str, Any]) -> None:
    """Write plain tables whole or not at all; a ``tomlkit`` document keeps its comments."""
    if path.suffix == ".json":
        return write_json(path, table)
    import tomlkit

    text = tomlkit.dumps(table if isinstance(table, tomlkit.TOMLDocument) else _without_none(table))
    return write_atomic(path, text.encode())


def document_to_table(document: Document) -> dict[str, Any]:
    """The document as plain tables, lists and values, `schema` first: what ``document_from_table`` reads."""
    return {"schema": document.SCHEMA, **model_to_table(document)}


def model_to_table(model: Any) -> dict[str, Any]:
    """A dataclass or Struct as plain tables, lists and values, with the defaults of what it was not given."""
    table: dict[str, Any] = _plain(model)
    return table


def _plain(value: Any) -> Any:
    """A value as plain tables, lists and values. msgspec leaves out the defaults of dataclasses that it made itself."""
    if isinstance(value, msgspec.Struct):
        return {item.encode_name: _plain(getattr(value, item.name)) for item in msgspec.structs.fields(value)}
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return msgspec.to_builtins(value, enc_hook=_plain_value)


def _plain_value(value: Any) -> int | float | str:
    """The number or text in an object that is more than that, such as one of numpy's."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _without_none(value: Any) -> Any:
    """TOML has no null: a key without a value is left out."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


@functools.cache
def model_keys(model: Any) -> Mapping[str, tuple[Any, bool]]:
    """Key -> (type, whether it must be there), of a dataclass or a Struct."""
    if issubclass(model, msgspec.Struct):
        return {item.encode_name: (item.type, item.required) for item in msgspec.structs.fields(model)}
    hints = typing.get_type_hints(model)
    missing = dataclasses.MISSING
    return {
        item.name: (hints[item.name], item.default is missing and item.default_factory is missing)
        for item in dataclasses.fields(model)
    }


def is_model(hint: Any) -> bool:
    """Whether a type is a table with keys of its own: a dataclass or a Struct."""
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, msgspec.Struct))


def _check_value(value: Any, hint: Any, where: str, key: str) -> None:
    """Raise for the first key below `key` that is unknown, missing, renamed or of another type than `hint`."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in get_args(hint) if _holds(part, value)]
        hint = inner[0] if inner else hint
    if is_model(hint) and isinstance(value, Mapping):
        _check_keys(value, hint, where, key)
        for name, item in value.items():
            _check_value(item, model_keys(hint)[name][0], where, _joined(key, name))
    elif _holds(hint, value) and get_args(hint):
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            _check_value(item, _inner(hint, name), where, _joined(key, name))
    else:
        _check_leaf(value, hint, where, key)


def _inner(hint: Any, name: str | int) -> Any:
    """The type of one value of a list or table."""
    of = get_args(hint)
    if isinstance(name, str):
        return of[1]
    return of[name] if get_origin(hint) is tuple and Ellipsis not in of else of[0]


def _holds(hint: Any, value: Any) -> bool:
    """Whether `hint` is a kind of table or list, and the value one as well."""
    kind, of = get_origin(hint) or hint, get_args(hint)
    if isinstance(value, Mapping):
        return is_model(kind) or kind in (dict, Mapping)
    fixed = kind is tuple and Ellipsis not in of
    return isinstance(value, list | tuple) and kind in (list, tuple, Sequence) and (not fixed or len(value) == len(of))


def _check_keys(table: Mapping[str, Any], model: type, where: str, key: str) -> None:
    known = model_keys(model)
    top = ["schema"] if not key and issubclass(model, Document) else []
    _refuse_old_keys(table, model, where, key)
    for name in table:
        if name not in known:
            raise UnknownName.among(f"key of {where}{f': [{key}]' if key else ''}", name, [*known, *top])
    for name, (hint, required) in known.items():
        if required and name not in table:
            raise BadData(f"{where}: {_joined(key, name)} is missing", f"it is {describe_type(hint)}")


def _refuse_old_keys(table: Mapping[str, Any], model: type, where: str, key: str) -> None:
    """Raise for all old keys of one table at once."""
    renamed: Mapping[str, str] = getattr(model, "RENAMED", {})
    old = [name for name in table if name in renamed]
    if old:
        raise BadData(
            f"{where}: " + "; ".join(f"{_joined(key, name)} is now called {renamed[name]}" for name in old),
            "write " + ", ".join(f"{renamed[name]} instead of {name}" for name in old),
        )


def _check_leaf(value: Any, expected: Any, where: str, key: str) -> None:
    if get_origin(expected) is Literal and isinstance(value, str) and value not in get_args(expected):
        raise UnknownName.among(f"{key} (in {where})", value, map(str, get_args(expected)))
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        what, hint = describe_type(expected, short=True), f"write {describe_type(expected)}"
        raise BadData(f"{where}: {key or 'it'} = {_shown(value)} is not {what}", hint) from error


def _joined(key: str, name: str | int) -> str:
    if isinstance(name, int):
        return f"{key}[{name}]"
    bare = name and all(letter.isalnum() or letter in "_-" for letter in name)
    return f"{key}.{name if bare else _shown(name)}".lstrip(".")


def _shown(value: Any) -> str:
    """A value as TOML and JSON write it, not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


_WORDS = {
    bool: ("true or false", ""),
    int: ("a whole number", ""),
    float: ("a number", ""),
    str: ("a text", " in quotes"),
    Path: ("a path", " in quotes"),
    type(None): ("nothing", ""),
}


def describe_type(hint: Any, short: bool = False) -> str:
    """Name a type in plain words, and say how TOML writes it unless `short`.

    >>> describe_type(int | None, short=True), describe_type(str)
    ('a whole number', 'a text in quotes')
    """
    kind, of = get_origin(hint) or hint, get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return " or ".join(describe_type(part, short) for part in of if part is not type(None))
    if kind is Literal:
        return "one of " + ", ".join(_shown(option) for option in of)
    if kind in (list, tuple, Sequence):
        inner = f" ({describe_type(of[0], short=True)} each)" if of and of[0] is not Any else ""
        if of and kind is tuple and Ellipsis not in of:
            inner = f" of {len(of)}{inner}"
        return f"a list{inner}" + ("" if short else " in brackets")
    if is_model(kind) or kind in (dict, Mapping):
        return "a table" + ("" if short else ", one key = value a line")
    words, written = _WORDS.get(kind, (f"a {getattr(kind, '__name__', kind)}", ""))
    return words if short else words + written
