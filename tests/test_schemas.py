"""Every document of KCE, key by key: a value of a wrong type is refused, and the error names the key."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kce.errors import KCEError
from kce.system import documents
from kce.system.documents import Document, document_from_table
from tests.conftest import REPOSITORY
from tests.support.schemas import VALUES, example, fits, name_of, paths, placed


def models() -> list[type[Document]]:
    """Every class of kce/ that is a document of its own."""
    for path in sorted((REPOSITORY / "kce").rglob("*.py")):
        if "templates" not in path.parts and "kce.system.documents" in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))

    def below(model: type) -> Iterator[type]:
        for inner in model.__subclasses__():
            yield inner
            yield from below(inner)

    own = {model for model in below(Document) if model.__module__.startswith("kce.")}
    return sorted((model for model in own if documents.is_model(model)), key=lambda model: model.__name__)


MODELS = models()


def test_the_documents_are_found() -> None:
    assert {"Recipe", "PlanFile", "RegistryFile"} <= {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_refuses_values_of_other_types_by_its_name(model: type[Document]) -> None:
    smallest = {"schema": model.SCHEMA, **example(model)}
    document_from_table(smallest, model, "s")
    tried = 0
    for path, expected in paths(model):
        for value in VALUES:
            if fits(value, expected):
                continue
            tried += 1
            with pytest.raises(KCEError) as error:
                document_from_table({"schema": model.SCHEMA, **placed(model, path, value)}, model, "s")
            assert name_of(path) in error.value.message, (path, value)
            assert "s" in re.findall(r"\w+", error.value.message)
    assert tried


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_keys_are_written_in_snake_case(model: type[Document]) -> None:
    for path, _ in paths(model):
        for key in path:
            assert key == "a b" or isinstance(key, int) or re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", key), path


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_document_says_what_it_is_and_refuses_another_schema(model: type[Document]) -> None:
    assert model.NOUN != Document.NOUN
    assert model.NOUN.startswith(("a ", "an ", "the "))
    table = example(model)
    with pytest.raises(KCEError, match="has schema 99"):
        document_from_table({"schema": 99, **table}, model, "s")
    if not model.BY_HAND:
        with pytest.raises(KCEError, match="has no schema version"):
            document_from_table(table, model, "s")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_renamed_key_leads_to_one_that_is_there(model: type[Document]) -> None:
    def tables(kind: Any) -> Iterator[Any]:
        yield kind
        for _, inner in paths(kind):
            yield from (part for part in (inner, *getattr(inner, "__args__", ())) if documents.is_model(part))

    for table in tables(model):
        for old, new in getattr(table, "RENAMED", {}).items():
            assert old not in documents.model_keys(table)
            assert new in documents.model_keys(table)


def test_a_document_is_frozen() -> None:
    for model in MODELS:
        settings: Any = model
        frozen = settings.__dataclass_params__ if dataclasses.is_dataclass(model) else settings.__struct_config__
        assert frozen.frozen, model.__name__
