"""KCE: which forgery labels of which datasets mean the same thing?

The names below are the public ones: plugins and scripts import these and nothing else. They are looked up when they
are first used, so that ``import kce`` costs nothing.
"""

from __future__ import annotations

import sys

from kce.system.version import __version__ as __version__

_COMMANDS = {
    name: f"api.{name}"
    for name in ("audit", "bench", "cut", "demo", "pack", "report", "run", "scan", "score", "study", "trace")
}
"""The commands as functions."""

_HOME = {
    **_COMMANDS,
    "load_features": "features.arrays",
    "open_features": "features.arrays",
    "save_features": "features.arrays",
    "Box": "types",
    "Features": "types",
    "FeatureStream": "types",
    "Image": "types",
    "Job": "system.job",
    "Moments": "features.moments",
    "code_means": "features.moments",
    "shrunk_covariance": "features.moments",
    "principal_axes": "features.moments",
    "MergePlan": "types",
    "FolderRemark": "types",
    "Remark": "types",
    "Sample": "types",
    "KCEError": "errors",
    "BadData": "errors",
    "BadValue": "errors",
    "recoverable": "errors",
    "Estimator": "estimators.base",
    "LibraryClusterer": "estimators.library",
    "wrap": "estimators.wrapping",
    "hookimpl": "hookspecs",
    "API": "hookspecs",
    "Registry": "registry.registry",
    "ResampleBlock": "evaluation.resampling",
    "Resamples": "evaluation.resampling",
    "Clip": "data.adapter",
    "Tree": "data.adapter",
    "Unparsed": "data.adapter",
    "NameReading": "data.label_words",
    "read_image": "data.pictures",
    "read_name": "data.label_words",
    "read_label": "data.label_words",
    "Artefact": "data.artefacts",
    "alter_pictures": "data.artefacts",
    "assign_artefacts": "data.artefacts",
    "Forgery": "data.world_table",
    "place_methods": "data.world_table",
    "world_categories": "data.world_table",
    "Recording": "data.world_layouts",
    "WorldCodec": "data.world_storage",
    "WorldDataset": "data.world_dataset",
    "load_package_weights": "training.package_weights",
    "load_weights": "training.pretrained",
    "read_weights": "training.pretrained",
    "residuals": "training.residuals",
}

__all__ = [  # noqa: PLE0604 - the table above is the list
    *_HOME,
]

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all the rest here
if TYPE_CHECKING:
    from typing import Any

    from kce.api.audit import audit as audit
    from kce.api.bench import bench as bench
    from kce.api.cut import cut as cut
    from kce.api.demo import demo as demo
    from kce.api.pack import pack as pack
    from kce.api.report import report as report
    from kce.api.run import run as run
    from kce.api.scan import scan as scan
    from kce.api.score import score as score
    from kce.api.study import study as study
    from kce.api.trace import trace as trace
    from kce.data.adapter import Clip as Clip
    from kce.data.adapter import Tree as Tree
    from kce.data.adapter import Unparsed as Unparsed
    from kce.data.artefacts import Artefact as Artefact
    from kce.data.artefacts import alter_pictures as alter_pictures
    from kce.data.artefacts import assign_artefacts as assign_artefacts
    from kce.data.label_words import NameReading as NameReading
    from kce.data.label_words import read_label as read_label
    from kce.data.label_words import read_name as read_name
    from kce.data.pictures import read_image as read_image
    from kce.data.world_dataset import WorldDataset as WorldDataset
    from kce.data.world_layouts import Recording as Recording
    from kce.data.world_storage import WorldCodec as WorldCodec
    from kce.data.world_table import Forgery as Forgery
    from kce.data.world_table import place_methods as place_methods
    from kce.data.world_table import world_categories as world_categories
    from kce.errors import BadData as BadData
    from kce.errors import BadValue as BadValue
    from kce.errors import KCEError as KCEError
    from kce.errors import recoverable as recoverable
    from kce.estimators.base import Estimator as Estimator
    from kce.estimators.library import LibraryClusterer as LibraryClusterer
    from kce.estimators.wrapping import wrap as wrap
    from kce.evaluation.resampling import ResampleBlock as ResampleBlock
    from kce.evaluation.resampling import Resamples as Resamples
    from kce.features.arrays import load_features as load_features
    from kce.features.arrays import open_features as open_features
    from kce.features.arrays import save_features as save_features
    from kce.features.moments import Moments as Moments
    from kce.features.moments import code_means as code_means
    from kce.features.moments import principal_axes as principal_axes
    from kce.features.moments import shrunk_covariance as shrunk_covariance
    from kce.hookspecs import API as API
    from kce.hookspecs import hookimpl as hookimpl
    from kce.registry.registry import Registry as Registry
    from kce.system.job import Job as Job
    from kce.training.package_weights import load_package_weights as load_package_weights
    from kce.training.pretrained import load_weights as load_weights
    from kce.training.pretrained import read_weights as read_weights
    from kce.training.residuals import residuals as residuals
    from kce.types import Box as Box
    from kce.types import Features as Features
    from kce.types import FeatureStream as FeatureStream
    from kce.types import FolderRemark as FolderRemark
    from kce.types import Image as Image
    from kce.types import MergePlan as MergePlan
    from kce.types import Remark as Remark
    from kce.types import Sample as Sample


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module 'kce' has no attribute {name!r}")
    value = getattr(import_module(f"kce.{_HOME[name]}"), name)
    globals()[name] = value
    return value


class _FrontDoor(type(sys)):  # type: ignore[misc]
    """This module: where a package has the name of a command, such as ``kce.report``, the name is the command's.

    Python binds a package that is imported as an attribute of this module, whenever that happens. The packages are
    found all the same, as ``from kce.report import ...`` looks for them among the loaded modules.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _COMMANDS and isinstance(value, type(sys))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
