"""What registered datasets say about themselves without being built, and which of them a folder looks like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.data.adapter import Tree
from kce.data.losses import ScanFailed
from kce.data.root import WrongRoot
from kce.errors import KCEError
from kce.registry.specs import parse_spec
from kce.types import Remark, Sample

if TYPE_CHECKING:
    from kce.registry.registry import Registry

MAX_ITEMS = 200  # samples and remarks read from a folder, to see whether a dataset's adapter can interpret it


def describe_dataset(registry: Registry, name: str) -> dict[str, str]:
    """Facts about a dataset, from the attributes of its adapter.

    Returns:
        `methods` (number of forgery methods), `media` ("pictures", "videos" or both) and `licence`; empty where the
        adapter does not say, or cannot be loaded.
    """
    adapter = _adapter(registry, name)
    fakes = [category for category in getattr(adapter, "expected", None) or () if not category.endswith("_real")]
    media = getattr(adapter, "media", None) or frozenset()
    kinds = [kind for kind, suffixes in (("pictures", Tree.pictures), ("videos", Tree.videos)) if media & suffixes]
    return {
        "methods": str(getattr(adapter, "method_count", 0) or len(fakes) or ""),
        "media": ", ".join(kinds),
        "licence": str(getattr(adapter, "licence", "")),
    }


def matching_datasets(root: str | Path, registry: Registry) -> list[str]:
    """Names of the registered datasets that a folder looks like, sorted.

    A dataset matches if the folder is its root or near it, and if its adapter can interpret most of the first files. If
    no adapter can interpret any, all datasets match whose root it could be. Datasets whose root may be any folder are
    left out. Time: that of reading the lists of the datasets whose root it could be.
    """
    shares: dict[str, float] = {}
    for name in registry.names("dataset"):
        adapter = _adapter(registry, name)
        if not (isinstance(adapter, type) and issubclass(adapter, Tree) and adapter.root_contains):
            continue
        try:
            shares[name] = _parsed_share(registry.build("dataset", name, root=adapter.find_root(root)))
        except (KCEError, OSError):
            continue
        except Exception:  # an adapter of somebody's, which nobody asked for
            if registry.plugins.source(registry.entry("dataset", name).plugin) == "built-in":
                raise
    readable = sorted(name for name, share in shares.items() if share > 0.5)
    return readable or sorted(shares)


@contextmanager
def suggest_dataset(registry: Registry, spec: str, root: str | Path) -> Iterator[None]:
    """Add to errors about a wrong root which other dataset the folder looks like. Costs nothing without an error."""
    try:
        yield
    except (WrongRoot, ScanFailed) as error:
        if getattr(error, "explained", False):
            raise
        requested = registry.entry("dataset", parse_spec(spec)[0]).name
        others = [name for name in matching_datasets(root, registry) if name != requested]
        if others:
            error.message += f"; it looks like {' or '.join(others)}"
            error.hint = f"try `kce scan {others[0]} --root {root}`, or {error.hint}"
        raise


def _adapter(registry: Registry, name: str) -> Any:
    try:
        return registry.resolve("dataset", name, root=".").factory
    except KCEError:
        return None


def _parsed_share(dataset: Any) -> float:
    items = list(islice(dataset, MAX_ITEMS))
    samples = sum(isinstance(item, Sample) for item in items)
    unparsed = sum(isinstance(item, Remark) and item.kind in ("unparsed", "unread") for item in items)
    return samples / (samples + unparsed) if samples else 0.0
