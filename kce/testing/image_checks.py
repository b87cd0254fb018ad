"""The checks of components that read pictures and faces: datasets, detectors, backbones."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kce.errors import KCEError
from kce.testing.base import CheckSkipped, Failure, Subject, check
from kce.testing.probes import built, call_component, faces, identical, pictures
from kce.types import Remark, Sample

_UNREADABLE = re.compile("[\ud800-\udfff]")  # bytes of a name that are not UTF-8
_COPIED = 2000  # most files of a tree that is copied to be changed


@check("dataset")
def items(subject: Subject) -> None:
    """Iterating over it yields only Samples and Remarks, and at least one sample."""
    if not _samples(subject):
        raise Failure("it finds no sample in its tree")


@check("dataset")
def keys(subject: Subject) -> None:
    """The key of each sample is unique, a path below the root with "/", and its file exists."""
    seen = set[str]()
    for sample in _samples(subject):
        parts = sample.key.split("/")
        if sample.key in seen:
            raise Failure(f"two samples have the key {sample.key!r}")
        if sample.key.startswith("/") or not all(parts) or {".", ".."} & set(parts) or "\\" in sample.key:
            raise Failure(f"the key {sample.key!r} is not a path below the root, with '/'")
        if not sample.path.is_file():
            raise Failure(f"the file of {sample.key!r} does not exist: {sample.path}")
        seen.add(sample.key)


@check("dataset")
def labels(subject: Subject) -> None:
    """Each sample names its dataset and its method, which is "real" for a real."""
    with _dataset(subject) as dataset:
        name = dataset.name
    for sample in _samples(subject):
        texts = (sample.dataset, sample.method, sample.group, sample.split, *sample.identities)
        if not all(isinstance(text, str) and not _UNREADABLE.search(text) for text in texts):
            raise Failure(f"a label of {sample.key!r} is not text: {texts}")
        if sample.dataset != name:
            raise Failure(f"{sample.key!r} has the dataset {sample.dataset!r} and not {name!r}")
        if not sample.method or sample.real != (sample.method == "real"):
            raise Failure(f"{sample.key!r} has the method {sample.method!r} and real={sample.real}")


@check("dataset")
def namespaces(subject: Subject) -> None:
    """Groups and identities are "namespace:name" or empty, so that equal names of two datasets stay apart."""
    for sample in _samples(subject):
        for text in (sample.group, *sample.identities):
            if text and not all(text.partition(":")[::2]):
                raise Failure(f"{sample.key!r} names {text!r} without a namespace")
        if not all(sample.identities):
            raise Failure(f"an identity of {sample.key!r} is empty")


@check("dataset")
def tree_unchanged(subject: Subject) -> None:
    """It writes nothing into its tree."""
    with _copy(subject) as copy:
        root = Path(copy.parameters["root"])
        before = _tree(root)
        _samples(copy)
        if _tree(root) != before:
            raise Failure(f"it changes its tree: {sorted(_tree(root) ^ before)[0][0]}")


@check("dataset")
def missing_root(subject: Subject) -> None:
    """For a root that does not exist or is a file it raises a KCEError with a hint."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.txt"
        file.write_text("not a tree")
        for root in (Path(folder) / "nowhere", file):
            try:
                samples = _samples(_at(subject, root))
            except KCEError as error:
                if not error.hint:
                    raise Failure("for a missing root it raises a KCEError without a hint") from error
            else:
                raise Failure(f"for a missing root it raises no error and finds {len(samples)} samples")


@check("dataset")
def empty_root(subject: Subject) -> None:
    """For an empty folder it raises a KCEError, or finds no samples."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            samples = _samples(_at(subject, Path(folder)))
        except KCEError:
            return
        if samples:
            raise Failure("it finds samples in an empty folder")


@check("dataset")
def stray_files(subject: Subject) -> None:
    """Files of file managers and archives (.DS_Store, ._x, Thumbs.db) and empty folders are not samples."""
    with _copy(subject) as copy:
        root = Path(copy.parameters["root"])
        before = {sample.key for sample in _samples(copy)}
        for folder in _folders(root):
            (folder / "empty folder").mkdir(exist_ok=True)
            for file in list(folder.iterdir())[:2]:
                if file.is_file():
                    shutil.copy(file, folder / f"._{file.name}")
            for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
                (folder / name).write_bytes(b"\0")
        strays = {sample.key for sample in _samples(copy)} - before
        if strays:
            raise Failure(f"it takes {sorted(strays)[0]!r} for a sample")


@check("dataset")
def links(subject: Subject) -> None:
    """It follows no link that leads out of its root."""
    with _copy(subject) as copy, tempfile.TemporaryDirectory() as elsewhere:
        root = Path(copy.parameters["root"])
        shutil.copytree(root, Path(elsewhere) / "tree")
        for folder in _folders(root):
            try:
                (folder / "link").symlink_to(Path(elsewhere) / "tree", target_is_directory=True)
                for file in [path for path in folder.iterdir() if path.is_file()][:1]:
                    (folder / f"1{file.name}").symlink_to(Path(elsewhere) / "tree" / file.relative_to(root))
            except OSError as error:
                raise CheckSkipped("links cannot be made here") from error
        for sample in _samples(copy):
            if not sample.path.resolve().is_relative_to(root.resolve()):
                raise Failure(f"it follows the link {sample.key!r} out of the root")


@check("dataset")
def odd_names(subject: Subject) -> None:
    """It can read a tree with spaces, line breaks and invalid UTF-8 in file names, and every key is text."""
    with _copy(subject) as copy:
        root = Path(copy.parameters["root"])
        for folder in _folders(root):
            for file in [path for path in folder.iterdir() if path.is_file()][:1]:
                for odd in (b"a b", b"line\nbreak", b"\xff\xfe"):
                    try:
                        shutil.copy(file, folder / (os.fsdecode(odd) + file.suffix))
                    except OSError:  # the file system takes no such name
                        continue
        for sample in _samples(copy):
            if _UNREADABLE.search(sample.key):
                raise Failure(f"it makes a key of a name that is not text: {sample.key!r}")


@check("dataset")
def expected_counts(subject: Subject) -> None:
    """Its attribute `expected`, if any, is the number of samples of its categories: {category: number above 0}."""
    with _dataset(subject) as dataset:
        expected = getattr(dataset, "expected", None) or {}
        for category, count in expected.items():
            if not isinstance(category, str) or not category.startswith(f"{dataset.name}_"):
                raise Failure(f"it expects {category!r}, which is not one of its categories")
            if not isinstance(count, int) or count < 1:
                raise Failure(f"it expects {count!r} samples of {category}")


@check("detector")
def picture_unchanged(subject: Subject) -> None:
    """It does not change the picture."""
    given = pictures()
    with built(subject) as component:
        call_component("detector", component, given)
    if not identical(given, pictures()):
        raise Failure("it writes into the picture")


@check("detector")
def picture_layout(subject: Subject) -> None:
    """It accepts pictures of any size and memory layout, and its answer depends on the pixels alone."""
    picture = pictures()[0]
    wide = np.zeros((picture.shape[0], 2 * picture.shape[1], 3), np.uint8)
    wide[:, ::2] = picture
    upside_down = np.ascontiguousarray(picture[::-1, ::-1])
    with built(subject) as component:
        seen = component.detect(picture)
        for other in (wide[:, ::2], upside_down[::-1, ::-1]):
            if not identical(seen, component.detect(other)):
                raise Failure("it answers differently for the same picture in another memory layout")
        for height, width in ((1, 200), (200, 1), (2, 2)):
            component.detect(np.zeros((height, width, 3), np.uint8))


@check("backbone")
def faces_unchanged(subject: Subject) -> None:
    """It does not change the faces."""
    with built(subject) as component:
        given = faces(component)
        call_component("backbone", component, given)
        if not identical(given, faces(component)):
            raise Failure("it writes into the faces")


@check("backbone")
def finite_features(subject: Subject) -> None:
    """For any faces in [0, 1], also black and white ones, its features are finite: it does its own normalisation."""
    with built(subject) as component:
        given = faces(component, 4)
        given[0], given[1] = 0.0, 1.0
        if not call_component("backbone", component, given).isfinite().all():
            raise Failure("it answers NaN or infinity")


@check("backbone")
def batch_independent(subject: Subject) -> None:
    """In evaluation mode the features of a face do not depend on the other faces of its batch."""
    import torch

    with built(subject) as component:
        given = faces(component, 4)
        many = call_component("backbone", component, given)
        alone = torch.cat([call_component("backbone", component, given[n : n + 1]) for n in range(4)])
        if not torch.allclose(many, alone, rtol=1e-3, atol=1e-4 * float(many.abs().max())):
            raise Failure("a face alone has other features than in a batch")


@check("backbone")
def trainable(subject: Subject) -> None:
    """It can be trained: with two or more faces, a loss on its features gives every parameter a finite gradient."""
    with built(subject) as component:
        component.train()
        component(faces(component, 2)).square().mean().backward()
        for name, parameter in component.named_parameters():
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all()):
                raise Failure(f"its parameter {name} gets no finite gradient")


@check("backbone")
def weights_round_trip(subject: Subject) -> None:
    """Its weights, written as safetensors and read into another one built alike, give the same features."""
    import torch
    from safetensors.torch import load_file, save_model

    with built(subject) as component, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_model(component, str(file))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            other = subject.build()
        other.load_state_dict(load_file(file), strict=False)
        given = faces(component)
        if not identical(call_component("backbone", component, given), call_component("backbone", other, given)):
            raise Failure("with its weights read back it answers differently: part of its state is not in them")


@contextmanager
def _dataset(subject: Subject) -> Iterator[Any]:
    if "root" not in subject.parameters:
        raise CheckSkipped("it needs a tree to read: give root=FOLDER")
    with built(subject) as dataset:
        yield dataset


def _samples(subject: Subject) -> list[Sample]:
    with _dataset(subject) as dataset:
        items = list(dataset)
    strange = [item for item in items if not isinstance(item, Sample | Remark)]
    if strange:
        raise Failure(f"it yields {type(strange[0]).__qualname__}, not only Samples and Remarks")
    return [item for item in items if isinstance(item, Sample)]


def _at(subject: Subject, root: Path) -> Subject:
    return replace(subject, parameters={**subject.parameters, "root": root})


@contextmanager
def _copy(subject: Subject) -> Iterator[Subject]:
    """The subject with a copy of its tree, which may be changed."""
    with _dataset(subject):
        root = Path(subject.parameters["root"])
    if sum(1 for _, path in zip(range(_COPIED + 1), root.rglob("*"), strict=False)) > _COPIED:
        raise CheckSkipped(f"its tree has more than {_COPIED} files: give a smaller one")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(root, Path(folder) / root.name)
        yield _at(subject, Path(folder) / root.name)


def _folders(root: Path) -> list[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())]


def _tree(root: Path) -> set[tuple[str, int, int]]:
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}
