"""KCE: which forgery labels of which datasets mean the same thing?

The names below are the public ones: plugins and scripts import these and nothing else. They are looked up when they
are first used, so that ``import kce`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Box": "types",
    "Features": "types",
    "Image": "types",
    "Job": "types",
    "MergePlan": "types",
    "Remark": "types",
    "Sample": "types",
    "KCEError": "errors",
    "BadData": "errors",
    "hookimpl": "hookspecs",
    "API": "hookspecs",
    "Registry": "registry",
    "Tree": "trees",
    "Unparsed": "trees",
    "load_weights": "checkpoints",
    "read_weights": "checkpoints",
}

__all__ = [  # noqa: PLE0604 - the table above is the list
    *_HOME,
]

if TYPE_CHECKING:
    from kce.checkpoints import load_weights as load_weights
    from kce.checkpoints import read_weights as read_weights
    from kce.errors import BadData as BadData
    from kce.errors import KCEError as KCEError
    from kce.hookspecs import API as API
    from kce.hookspecs import hookimpl as hookimpl
    from kce.registry import Registry as Registry
    from kce.trees import Tree as Tree
    from kce.trees import Unparsed as Unparsed
    from kce.types import Box as Box
    from kce.types import Features as Features
    from kce.types import Image as Image
    from kce.types import Job as Job
    from kce.types import MergePlan as MergePlan
    from kce.types import Remark as Remark
    from kce.types import Sample as Sample


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kce' has no attribute {name!r}")
    value = getattr(import_module(f"kce.{_HOME[name]}"), name)
    globals()[name] = value
    return value
