"""The layout of every file that KCE writes, as JSON Schemas by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from kce.errors import UnknownName
from kce.system.field_docs import field_meanings
from kce.system.json_schema import DIALECT, document_schema

_DOCUMENTS = {
    "registry": ("kce.registry.registry_file:RegistryFile", "registry.toml"),
    "recipe": ("kce.pipeline.recipe:Recipe", "recipe.toml of a run"),
    "study-file": ("kce.study.study_file:Study", "a study, as `kce study` reads it"),
    "plan": ("kce.merging.plan_file:PlanFile", "plan.toml of a run or an audit"),
    "cut": ("kce.faces.cut_settings:CutSettings", "cut.toml of a face folder"),
    "scan-report": ("kce.data.scan:ScanReport", "what `kce scan --json` prints"),
    "cut-report": ("kce.faces.cut:CutReport", "what `kce cut --json` prints"),
    "pack-report": ("kce.faces.pack:PackReport", "what `kce pack --json` prints"),
    "run-report": ("kce.pipeline.run_report:RunReport", "report.json of a run"),
    "demo-report": ("kce.report.demo_report:DemoReport", "report.json of the demo"),
    "study-state": ("kce.study.study:StudyState", "study.json of a study"),
    "study-report": ("kce.study.study_report:StudyReport", "report.json of a study"),
    "audit": ("kce.audit.audit_report:AuditReport", "audit.json of an audit"),
    "bench": ("kce.bench.cell_store:BenchRecord", "bench.json of a bench"),
    "trace": ("kce.tracing.trace_report:TraceReport", "trace.json of a trace"),
    "trace-record": ("kce.pipeline.trace_record:TraceRecord", "inputs.json of a trace"),
    "leaderboard": ("kce.bench.bench_reports:LeaderboardReport", "leaderboard.json of a bench of clusterers"),
    "provenance": ("kce.registry.result_provenance:Provenance", "provenance.json beside exported tables"),
    "tracers": ("kce.bench.bench_reports:TracerReport", "tracers.json of a bench of tracers"),
    "aligners": ("kce.bench.bench_reports:AlignerReport", "aligners.json of a bench of aligners"),
}
"""Name -> the class that defines the keys, and the file."""


def schema_names() -> dict[str, str]:
    """Name -> the file that the schema is of.

    >>> schema_names()["plan"]
    'plan.toml of a run or an audit'
    """
    return {name: about for name, (_, about) in _DOCUMENTS.items()} | {
        name: about for name, (_, about) in _TABLES.items()
    }


def schema(name: str) -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12) of a layout.

    Args:
        name: One of ``schema_names``.

    Raises:
        UnknownName: There is no such layout.
    """
    if name in _TABLES:
        return {"$schema": DIALECT, **_TABLES[name][0]()}
    if name not in _DOCUMENTS:
        raise UnknownName.among("schema", name, schema_names(), "`kce docs layouts` says what each is of")
    module, _, model = _DOCUMENTS[name][0].partition(":")
    return document_schema(getattr(importlib.import_module(module), model))


_NUMBER = r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?"
_FACE_PATTERNS = {
    "key": ".+",
    "category": ".+",
    "dataset": ".+",
    "method": ".+",
    "real": "[01]",
    "frame": "[0-9]*",
    "box": f"{_NUMBER}( {_NUMBER}){{3}}",
    "score": _NUMBER,
    "file": r".+\.png",
    "hash": "[0-9a-f]{16}",
    "faces": "[0-9]*",
}


def _face_rows() -> dict[str, Any]:
    """The lines of faces.csv, each as its columns by name, all of them text."""
    from kce.faces.tables import FaceRow

    meanings = field_meanings(FaceRow)
    columns = {
        name: {
            "type": "string",
            **({"pattern": f"^{_FACE_PATTERNS[name]}$"} if name in _FACE_PATTERNS else {}),
            "description": meanings[name],
        }
        for name in FaceRow._fields
    }
    line = {"type": "object", "properties": columns, "required": [*columns], "additionalProperties": False}
    return {"title": "faces.csv", "type": "array", "items": line}


def _feature_tables() -> dict[str, Any]:
    """A feature file, described as the page of the manual does: table -> its columns and attributes."""
    text = {
        "type": "object",
        "properties": {"dtype": {"const": "str"}, "shape": {"$ref": "#/$defs/rows"}},
        "required": ["dtype", "shape"],
    }
    x = {
        "type": "object",
        "properties": {
            "dtype": {"const": "float32"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        },
        "required": ["dtype", "shape"],
    }
    attributes = {"mark": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "provenance": {"type": "string"}}
    columns = {
        "key": text,
        "label": text,
        "group": text,
        "x": x,
        "attributes": {"type": "object", "properties": attributes},
    }
    table = {"type": "object", "properties": columns, "required": ["key", "label", "group", "x"]}
    rows = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 1}
    return {"title": "features.h5", "type": "object", "additionalProperties": table, "$defs": {"rows": rows}}


_TABLES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "faces": (_face_rows, "faces.csv of a face folder, read as a list of its lines"),
    "features": (_feature_tables, "features.h5 of a run, described by dtype and shape"),
}
