"""Everything a plugin can offer: one hook for each kind of component.

Each hook takes nothing and returns ``{name: factory}``. A factory is a class or function whose keyword parameters are
the component's whole configuration; it is called when the component is wanted, so heavy imports belong inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("kce")
hookimpl = pluggy.HookimplMarker("kce")

API = "1.0"
"""The version of all this, major.minor: a plugin that worked may fail under another major. A plugin says which it was
written for in a module constant, ``KCE_API = "1.0"``; one that says nothing is taken to be written for this one."""

Factories = dict[str, Callable[..., Any]]


@hookspec
def kce_datasets() -> Factories:
    """Adapters that read a dataset as its publishers ship it. Factories take `root`; see ``kce.types.Dataset``."""


@hookspec
def kce_detectors() -> Factories:
    """Face detectors; see ``kce.types.Detector``."""


@hookspec
def kce_backbones() -> Factories:
    """Networks that turn faces into features; see ``kce.types.Backbone``."""


@hookspec
def kce_aligners() -> Factories:
    """Ways to take the dataset out of the features; see ``kce.types.Aligner``."""


@hookspec
def kce_reducers() -> Factories:
    """Dimension reducers; see ``kce.types.Reducer``."""


@hookspec
def kce_clusterers() -> Factories:
    """Clusterers; see ``kce.types.Clusterer``."""


@hookspec
def kce_evaluators() -> Factories:
    """Measures of a feature table or of a plan; see ``kce.types.Evaluator``."""


@hookspec
def kce_engines() -> Factories:
    """Where the runs of a study are done: on this machine, on many; see ``kce.types.Engine``."""


KINDS = ("dataset", "detector", "backbone", "aligner", "reducer", "clusterer", "evaluator", "engine")
"""The kinds of component, in the order a run meets them. The hook of a kind is ``kce_<kind>s``."""
