"""What the parts that find, cut and look at faces promise: datasets, detectors, backbones."""

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

from kce.errors import BrokenPromise, KCEError
from kce.testing.base import NotChecked, Subject, promise
from kce.testing.probes import ask, faces, made, pictures, same
from kce.types import Remark, Sample

_UNREADABLE = re.compile("[\ud800-\udfff]")  # bytes of a name that are no UTF-8
_COPIED = 2000  # files of a tree that is copied to be tampered with


@promise("dataset")
def items(subject: Subject) -> None:
    """Going over it gives Samples and Remarks and nothing else, and one sample at least."""
    if not _samples(subject):
        raise BrokenPromise("", "it finds no sample in its tree")


@promise("dataset")
def keys(subject: Subject) -> None:
    """Each sample's key is its own: the path below the root, with "/", and the file is there."""
    seen = set[str]()
    for sample in _samples(subject):
        parts = sample.key.split("/")
        if sample.key in seen:
            raise BrokenPromise("", f"two samples have the key {sample.key!r}")
        if sample.key.startswith("/") or not all(parts) or {".", ".."} & set(parts) or "\\" in sample.key:
            raise BrokenPromise("", f"the key {sample.key!r} is no path below the root, with '/'")
        if not sample.path.is_file():
            raise BrokenPromise("", f"the file of {sample.key!r} is not there: {sample.path}")
        seen.add(sample.key)


@promise("dataset")
def labels(subject: Subject) -> None:
    """Each sample bears its dataset's name, a method if it is forged, and "real" as its method if it is real."""
    with _dataset(subject) as dataset:
        name = dataset.name
    for sample in _samples(subject):
        texts = (sample.dataset, sample.method, sample.group, sample.split, *sample.identities)
        if not all(isinstance(text, str) and not _UNREADABLE.search(text) for text in texts):
            raise BrokenPromise("", f"a label of {sample.key!r} is no text: {texts}")
        if sample.dataset != name:
            raise BrokenPromise("", f"{sample.key!r} is of the dataset {sample.dataset!r}, not of {name!r}")
        if not sample.method or sample.real != (sample.method == "real"):
            raise BrokenPromise("", f"{sample.key!r} has the method {sample.method!r} and real={sample.real}")


@promise("dataset")
def namespaces(subject: Subject) -> None:
    """Recordings and people are called "space:name", or nothing where they are not known: names of two datasets must
    not meet by chance."""
    for sample in _samples(subject):
        for text in (sample.group, *sample.identities):
            if text and not all(text.partition(":")[::2]):
                raise BrokenPromise("", f"{sample.key!r} names {text!r}, without a space before it")
        if not all(sample.identities):
            raise BrokenPromise("", f"an identity of {sample.key!r} has no name")


@promise("dataset")
def tree_untouched(subject: Subject) -> None:
    """It writes nothing into the tree."""
    with _copy(subject) as copy:
        root = Path(copy.parameters["root"])
        before = _tree(root)
        _samples(copy)
        if _tree(root) != before:
            raise BrokenPromise("", f"it changes the tree: {sorted(_tree(root) ^ before)[0][0]}")


@promise("dataset")
def no_root(subject: Subject) -> None:
    """A root that is not there, or is a file, is refused in words."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.txt"
        file.write_text("no tree")
        for root in (Path(folder) / "nowhere", file):
            try:
                found = _samples(_at(subject, root))
            except KCEError as error:
                if not error.hint:
                    raise BrokenPromise("", "it refuses a root that is not there, and gives no hint") from error
            else:
                raise BrokenPromise("", f"it finds {len(found)} samples where no tree is, without a word")


@promise("dataset")
def empty_root(subject: Subject) -> None:
    """An empty folder is refused in words, or has no samples."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = _samples(_at(subject, Path(folder)))
        except KCEError:
            return
        if found:
            raise BrokenPromise("", "it finds samples in an empty folder")


@promise("dataset")
def stray_files(subject: Subject) -> None:
    """Files that file managers and archives leave (.DS_Store, ._x, Thumbs.db) and empty folders make no samples."""
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
            raise BrokenPromise("", f"it takes {sorted(strays)[0]!r} for a sample")


@promise("dataset")
def inside(subject: Subject) -> None:
    """It follows no link out of the root."""
    with _copy(subject) as copy, tempfile.TemporaryDirectory() as elsewhere:
        root = Path(copy.parameters["root"])
        shutil.copytree(root, Path(elsewhere) / "tree")
        for folder in _folders(root):
            try:
                (folder / "link").symlink_to(Path(elsewhere) / "tree", target_is_directory=True)
                for file in [path for path in folder.iterdir() if path.is_file()][:1]:
                    (folder / f"1{file.name}").symlink_to(Path(elsewhere) / "tree" / file.relative_to(root))
            except OSError as error:
                raise NotChecked("links cannot be made here") from error
        for sample in _samples(copy):
            if not sample.path.resolve().is_relative_to(root.resolve()):
                raise BrokenPromise("", f"it follows the link {sample.key!r} out of the root")


@promise("dataset")
def odd_names(subject: Subject) -> None:
    """File names with spaces, line breaks or bytes that are no text do not stop it, and every key is text."""
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
                raise BrokenPromise("", f"it makes a key of a name that is no text: {sample.key!r}")


@promise("dataset")
def expectations(subject: Subject) -> None:
    """Its `expected`, if it has one, says how many samples each of its categories has: {category: number above 0}."""
    with _dataset(subject) as dataset:
        expected = getattr(dataset, "expected", None) or {}
        for category, count in expected.items():
            if not isinstance(category, str) or not category.startswith(f"{dataset.name}_"):
                raise BrokenPromise("", f"it expects {category!r}, which is none of its categories")
            if not isinstance(count, int) or count < 1:
                raise BrokenPromise("", f"it expects {count!r} samples of {category}")


@promise("detector")
def picture_untouched(subject: Subject) -> None:
    """It changes nothing of the picture it is given."""
    given = pictures()
    with made(subject) as component:
        ask("detector", component, given)
    if not same(given, pictures()):
        raise BrokenPromise("", "it writes into the picture")


@promise("detector")
def any_picture(subject: Subject) -> None:
    """It takes pictures of any size and layout in memory, and what it finds depends on nothing but what is seen."""
    picture = pictures()[0]
    wide = np.zeros((picture.shape[0], 2 * picture.shape[1], 3), np.uint8)
    wide[:, ::2] = picture
    upside_down = np.ascontiguousarray(picture[::-1, ::-1])
    with made(subject) as component:
        seen = component.detect(picture)
        for other in (wide[:, ::2], upside_down[::-1, ::-1]):
            if not same(seen, component.detect(other)):
                raise BrokenPromise("", "the same picture, laid out otherwise in memory, is seen differently")
        for height, width in ((1, 200), (200, 1), (2, 2)):
            component.detect(np.zeros((height, width, 3), np.uint8))


@promise("backbone")
def faces_untouched(subject: Subject) -> None:
    """It changes nothing of the faces it is given."""
    with made(subject) as component:
        given = faces(component)
        ask("backbone", component, given)
        if not same(given, faces(component)):
            raise BrokenPromise("", "it writes into the faces")


@promise("backbone")
def finite_features(subject: Subject) -> None:
    """Of any faces in [0, 1], black and white ones too, it makes finite features: it normalises by itself."""
    with made(subject) as component:
        given = faces(component, 4)
        given[0], given[1] = 0.0, 1.0
        if not ask("backbone", component, given).isfinite().all():
            raise BrokenPromise("", "it answers NaN or infinity")


@promise("backbone")
def batch_of_one(subject: Subject) -> None:
    """In evaluation a face's features do not depend on the other faces of its batch."""
    import torch

    with made(subject) as component:
        given = faces(component, 4)
        many = ask("backbone", component, given)
        alone = torch.cat([ask("backbone", component, given[n : n + 1]) for n in range(4)])
        if not torch.allclose(many, alone, rtol=1e-3, atol=1e-4 * float(many.abs().max())):
            raise BrokenPromise("", "a face alone has other features than among others")


@promise("backbone")
def trains(subject: Subject) -> None:
    """It can be trained: from a batch of two on, a loss on its features gives every parameter a finite gradient."""
    with made(subject) as component:
        component.train()
        component(faces(component, 2)).square().mean().backward()
        for name, parameter in component.named_parameters():
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all()):
                raise BrokenPromise("", f"its parameter {name} gets no finite gradient")


@promise("backbone")
def weights_return(subject: Subject) -> None:
    """Its weights, written as safetensors and read into another one built alike, give the same features."""
    import torch
    from safetensors.torch import load_file, save_model

    with made(subject) as component, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_model(component, str(file))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            other = subject.build()
        other.load_state_dict(load_file(file), strict=False)
        given = faces(component)
        if not same(ask("backbone", component, given), ask("backbone", other, given)):
            raise BrokenPromise("", "with its weights read back it answers differently: something is no part of them")


@contextmanager
def _dataset(subject: Subject) -> Iterator[Any]:
    if "root" not in subject.parameters:
        raise NotChecked("it needs a tree to read: give root=FOLDER")
    with made(subject) as dataset:
        yield dataset


def _samples(subject: Subject) -> list[Sample]:
    with _dataset(subject) as dataset:
        found = list(dataset)
    strange = [item for item in found if not isinstance(item, Sample | Remark)]
    if strange:
        raise BrokenPromise("", f"it gives {type(strange[0]).__qualname__}, and not Samples and Remarks")
    return [item for item in found if isinstance(item, Sample)]


def _at(subject: Subject, root: Path) -> Subject:
    return replace(subject, parameters={**subject.parameters, "root": root})


@contextmanager
def _copy(subject: Subject) -> Iterator[Subject]:
    """The same of a copy of its tree, to be tampered with."""
    with _dataset(subject):
        root = Path(subject.parameters["root"])
    if sum(1 for _, path in zip(range(_COPIED + 1), root.rglob("*"), strict=False)) > _COPIED:
        raise NotChecked(f"its tree has more than {_COPIED} files: give a smaller one")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(root, Path(folder) / root.name)
        yield _at(subject, Path(folder) / root.name)


def _folders(root: Path) -> list[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())]


def _tree(root: Path) -> set[tuple[str, int, int]]:
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}
