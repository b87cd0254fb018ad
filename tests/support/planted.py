"""Roots with empty files, and what an adapter finds in them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kce import Registry, Remark, Sample


def plant(root: Path, paths: Iterable[str], text: str = "") -> Path:
    """Write files with this text at these paths below the root."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def build(name: str, root: Path, **parameters: Any) -> Any:
    return Registry.load().build("dataset", name, root=root, **parameters)


def samples(dataset: Iterable[Sample | Remark]) -> dict[str, Sample]:
    return {item.key: item for item in dataset if isinstance(item, Sample)}


def remarks(dataset: Iterable[Sample | Remark], kind: str) -> dict[str, str]:
    return {item.path: item.reason for item in dataset if isinstance(item, Remark) and item.kind == kind}


def files(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))


def facts(sample: Sample) -> tuple[str, str, tuple[str, ...], str, int | None]:
    """Category, group, identities, split and frame."""
    return sample.category, sample.group, sample.identities, sample.split, sample.frame
