"""What the registered datasets say of themselves, without being built; and which of them a folder looks like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.data.adapter import Tree, WrongRoot, find_root
from kce.data.scan import ScanFailed
from kce.errors import KCEError
from kce.registry.specs import parse_spec
from kce.types import Remark, Sample

if TYPE_CHECKING:
    from kce.registry.registry import Registry

LOOKED_AT = 200  # samples and remarks of a dataset that a folder may be, to see whether it is


def about(registry: Registry, name: str) -> dict[str, str]:
    """`methods` (number of forgery methods), `media` and `licence` of a dataset.

    They are read from the attributes of its class; empty where it does not say, or where it cannot be loaded.
    """
    adapter = _adapter(registry, name)
    forged = [category for category in getattr(adapter, "expected", None) or () if not category.endswith("_real")]
    media = getattr(adapter, "media", None) or frozenset()
    kinds = [kind for kind, suffixes in (("pictures", Tree.pictures), ("videos", Tree.videos)) if media & suffixes]
    return {
        "methods": str(getattr(adapter, "method_count", 0) or len(forged) or ""),
        "media": ", ".join(kinds),
        "licence": str(getattr(adapter, "licence", "")),
    }


def looks_like(root: str | Path, registry: Registry) -> list[str]:
    """Names of the registered datasets that this folder looks like, sorted.

    Those are the ones whose marks are there and that can read most of what comes first; or, if none can read anything,
    all whose marks are there. Datasets without marks are not asked. Time: that of reading the lists of the datasets
    whose marks are there.
    """
    read: dict[str, float] = {}
    for name in registry.names("dataset"):
        adapter = _adapter(registry, name)
        if not (isinstance(adapter, type) and issubclass(adapter, Tree) and adapter.marks):
            continue
        try:
            found = find_root(adapter, Path(root))
            read[name] = _share_read(registry.build("dataset", name, root=found))
        except (KCEError, OSError):
            continue
    readers = sorted(name for name, share in read.items() if share > 0.5)
    return readers or sorted(read)


@contextmanager
def guessing(registry: Registry, spec: str, root: str | Path) -> Iterator[None]:
    """Errors over a root that is not this dataset's say which dataset it looks like. Costs nothing without an error."""
    try:
        yield
    except (WrongRoot, ScanFailed) as error:
        asked = registry.entry("dataset", parse_spec(spec)[0]).name
        others = [name for name in looks_like(root, registry) if name != asked]
        if others:
            error.message += f"; it looks like {' or '.join(others)}"
            error.hint = f"try `kce scan {others[0]} --root {root}`, or {error.hint}"
        raise


def _adapter(registry: Registry, name: str) -> Any:
    try:
        return registry.resolve("dataset", name, root=".").factory
    except KCEError:
        return None


def _share_read(dataset: Any) -> float:
    items = list(islice(dataset, LOOKED_AT))
    samples = sum(isinstance(item, Sample) for item in items)
    bad = sum(isinstance(item, Remark) and item.kind == "unparsed" for item in items)
    return samples / (samples + bad) if samples else 0.0
