"""The hooks of plugins, one for each kind of component.

A hook takes nothing and returns ``{name: factory}``. A factory is a class or function whose keyword parameters are the
whole configuration of the component, each with a default (but the `root` of a dataset). It is called when the component
is needed, and heavy imports belong inside it. The functions that implement a hook are marked with ``hookimpl``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("kce")
hookimpl = pluggy.HookimplMarker("kce")
"""Marks a function of a plugin as the implementation of the hook of its name.

Example:
    A plugin with one reducer:

    >>> from kce import hookimpl
    >>> class First:
    ...     def __init__(self, columns: int = 2) -> None:
    ...         self.columns = columns
    ...
    ...     def fit_transform(self, x):
    ...         return x[:, : self.columns].copy()
    >>> @hookimpl
    ... def kce_reducers():
    ...     return {"first": First}
"""

API = "1.0"
"""The version of the plugin API, "major.minor".

A plugin declares the version it was written for in a module constant, ``KCE_API``, and cannot be used under another
major version; without the constant it is taken to fit.

Example:
    >>> from kce import API
    >>> API
    '1.0'
    >>> KCE_API = "1.0"
"""

Factories = dict[str, Callable[..., Any]]


@hookspec
def kce_datasets() -> Factories:
    """Return adapters of datasets as their publishers ship them; factories take `root`. See ``kce.types.Dataset``."""


@hookspec
def kce_detectors() -> Factories:
    """Return face detectors; see ``kce.types.Detector``."""


@hookspec
def kce_backbones() -> Factories:
    """Return networks that turn faces into features; see ``kce.types.Backbone``."""


@hookspec
def kce_aligners() -> Factories:
    """Return aligners, which remove the dataset from the features; see ``kce.types.Aligner``."""


@hookspec
def kce_reducers() -> Factories:
    """Return dimension reducers; see ``kce.types.Reducer``."""


@hookspec
def kce_clusterers() -> Factories:
    """Return clusterers; see ``kce.types.Clusterer``."""


@hookspec
def kce_evaluators() -> Factories:
    """Return evaluators of a feature table or plan; see ``kce.types.Evaluator``."""


@hookspec
def kce_tracers() -> Factories:
    """Return tracers, which score how unlike each family a face is; see ``kce.types.Tracer``."""


@hookspec
def kce_engines() -> Factories:
    """Return engines, which run jobs on one machine or many; see ``kce.types.Engine``."""


KINDS = ("dataset", "detector", "backbone", "aligner", "reducer", "clusterer", "evaluator", "tracer", "engine")
"""The kinds of component, in the order in which a run uses them. The hook of a kind is ``kce_<kind>s``."""
