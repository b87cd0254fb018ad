"""From samples to rows of a face folder's tables, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kce.data.suffixes import is_video
from kce.system.text import printable
from kce.types import Sample

if TYPE_CHECKING:
    from kce.faces.tables import FaceRow


def folder_key(sample: Sample) -> str:
    """The key of a sample in a face folder: <dataset>/<sample's key>, which is unique there."""
    own = sample.key.removeprefix(f"{sample.dataset}/")
    return printable(f"{sample.dataset}/{own}")


def folder_key_of_row(row: FaceRow) -> str:
    """The key of the sample that a face comes from: the face's own, without the frame's number for a video."""
    return row.key.rpartition("#")[0] if is_video(row.source) else row.key


def sample_columns(sample: Sample) -> dict[str, str]:
    """The columns of a row that describe the sample."""
    return {
        "category": printable(sample.category),
        "dataset": printable(sample.dataset),
        "method": printable(sample.method),
        "real": str(int(sample.real)),
        "group": printable(sample.group),
        "identities": printable(";".join(sample.identities)),
        "split": printable(sample.split),
        "source": printable(str(sample.path)),
    }


def sample_of_row(row: FaceRow) -> Sample:
    """The sample that a face comes from."""
    identities = tuple(filter(None, row.identities.split(";")))
    key, path, real = folder_key_of_row(row), Path(row.source), row.real == "1"
    frame = int(row.frame) if row.frame and not is_video(path) else None
    return Sample(key, path, row.dataset, row.method, real, row.group, identities, row.split, frame)
