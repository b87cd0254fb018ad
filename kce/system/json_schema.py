"""The JSON Schema of a document, from the class that defines its keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from kce.system.documents import Document, is_model, model_keys
from kce.system.field_docs import field_meanings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema(model: type[Document]) -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12) of a document; TOML files are checked by it as the tables they hold.

    It accepts what ``kce.system.documents.document_from_table`` accepts, but for limits of values that only the code
    knows, such as the names of components.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Cell(Document):
    ...     '''A cell.
    ...
    ...     Attributes:
    ...         clusterer: Its name.
    ...     '''
    ...     clusterer: str
    >>> document_schema(Cell)["properties"]
    {'clusterer': {'type': 'string', 'description': 'Its name.'}, 'schema': {'const': 1}}

    Args:
        model: The class of the document.
    """
    (top,), components = msgspec.json.schema_components([model], ref_template="#/$defs/{name}")
    models = {inner.__name__: inner for inner in _models(model)}
    described = {name: _described(table, models.get(name)) for name, table in components.items()}
    own = described.pop(top["$ref"].removeprefix("#/$defs/"))
    own["properties"]["schema"] = {"const": model.SCHEMA}
    if not model.BY_HAND:
        own["required"] = [*own["required"], "schema"]
    return {"$schema": DIALECT, **own, **({"$defs": described} if described else {})}


def _described(table: Mapping[str, Any], model: type | None) -> dict[str, Any]:
    """One table of the schema: closed, and with what each key means."""
    if model is None:
        return dict(table)
    meanings = field_meanings(model)
    names = {key: name for name, key in _attribute_keys(model).items()}
    properties = {
        key: {**value, **({"description": meanings[names[key]]} if names[key] in meanings else {})}
        for key, value in table["properties"].items()
    }
    summary = " ".join((model.__doc__ or "").partition("\n\n")[0].replace("``", "`").split())
    return {**table, "description": summary, "properties": properties, "additionalProperties": False}


def _attribute_keys(model: type) -> dict[str, str]:
    """Attribute -> key in the file."""
    if issubclass(model, msgspec.Struct):
        return {item.name: item.encode_name for item in msgspec.structs.fields(model)}
    return {item.name: item.name for item in dataclasses.fields(model)}  # type: ignore[arg-type] # is_model says so


def _models(model: Any) -> set[type]:
    """A model and all that its keys hold."""
    found: set[type] = set()
    waiting = [model]
    while waiting:
        hint = waiting.pop()
        if is_model(hint) and hint not in found:
            found.add(hint)
            waiting += [kind for kind, _ in model_keys(hint).values()]
        else:
            waiting += [inner for inner in getattr(hint, "__args__", ()) if inner is not Ellipsis]
    return found
