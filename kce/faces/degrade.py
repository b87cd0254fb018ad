"""Degrades face folders as if each dataset had been stored in another way: artefacts whose cause is known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from kce.data.artefacts import ARTEFACT_KINDS, Artefact, alter_pictures, assign_artefacts
from kce.data.finished_tables import FACES
from kce.data.pictures import encode_png, read_image
from kce.faces.file_names import content_hash
from kce.faces.tables import FaceRow, read_face_rows, write_csv_table
from kce.system.atomic import write_atomic
from kce.system.rng import generator

if TYPE_CHECKING:
    from kce.types import Progress

__all__ = ["ARTEFACT_KINDS", "Artefact", "assign_artefacts", "degrade_faces"]


def has_faces(folder: Path) -> bool:
    """Whether a folder has the table of its faces, which is written last.

    >>> has_faces(Path("/no-such-folder"))
    False
    """
    return (folder / FACES).is_file()


def degrade_faces(
    source: Path, to: Path, artefacts: Mapping[str, Artefact], seed: int, progress: Progress = lambda *_: None
) -> None:
    """Copy a face folder and alter the faces of each dataset; labels and keys are kept.

    Frames of one video are altered together, so that H.264 encodes a moving picture. An existing copy is left as it is.

    Args:
        source: The face folder.
        to: The folder of the copy.
        artefacts: Dataset -> its artefact.
        seed: Seed of random artefacts.
        progress: Called while it works.
    """
    if has_faces(to):
        return
    rows = list(read_face_rows(source))
    clips: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        clips.setdefault(f"{row.category}\0{row.source}", []).append(number)

    def alter_clip(numbers: list[int]) -> list[tuple[int, str]]:
        images = [read_image(source / rows[number].file) for number in numbers]
        artefact = artefacts[rows[numbers[0]].dataset]
        images = alter_pictures(images, artefact, generator(seed, "degrade", rows[numbers[0]].key))
        done = []
        for number, image in zip(numbers, images, strict=True):
            png = encode_png(image)
            write_atomic(to / rows[number].file, png)
            done.append((number, content_hash(png)))
        return done

    for category in {row.file.partition("/")[0] for row in rows}:
        (to / category).mkdir(parents=True, exist_ok=True)
    changed = dict.fromkeys(range(len(rows)), "")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for count, done in enumerate(pool.map(alter_clip, clips.values()), 1):
            changed.update(done)
            progress(f"faces {to.name}", count, len(clips))
    write_csv_table(
        to / FACES,
        FaceRow._fields,
        (row._replace(hash=changed[number]) for number, row in enumerate(rows)),
    )
