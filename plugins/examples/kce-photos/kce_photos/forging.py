"""Forges every face by every method, once, and keeps the pictures; what is there already is not made again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kce
from kce import KCEError

from .files import read_png, run_all, seeded, write_bytes, write_png
from .find import Couple, FoundFace, LeftOut, couples, faces_of, list_pictures, load_face
from .landmarks import Landmarks

if TYPE_CHECKING:
    from kce import Image

    from .face import Face
    from .generators import Generator, Tools
    from .packages import Missing

_log = logging.getLogger("kce.photos")
REAL = "real"
_INDEX, _VERSION = "index.json", 1  # the version is raised when equal faces are forged in other ways than before


@dataclass(frozen=True)
class Forged:
    """What was forged.

    Attributes:
        folder: Where the pictures are.
        couples: For each two people the pairs of faces that were forged by every method.
        methods: The methods.
        missing: Method that is left out -> why, and what to do about it.
        left_out: What is not used.
    """

    folder: Path
    couples: tuple[tuple[Couple, ...], ...]
    methods: tuple[str, ...]
    missing: dict[str, str]
    left_out: tuple[LeftOut, ...]

    def read(self, method: str, face: FoundFace) -> Image:
        """Read a face as a method forged it; "real" = as it is.

        Raises:
            KCEError: Somebody removed or damaged it.
        """
        image = read_png(picture_path(self.folder, method, face))
        if image is None:
            raise KCEError(
                f"{picture_path(self.folder, method, face)} is not there, or damaged",
                f"remove {self.folder / _INDEX} to have it made again",
            )
        return image


def picture_path(folder: Path, method: str, face: FoundFace) -> Path:
    """Where a picture is kept."""
    return folder / "pictures" / method / f"{face.key}.png"


def forge_all(
    root: Path,
    tools: Tools,
    generators: Mapping[str, Generator],
    missing: Mapping[str, Missing],
    limit: int,
    detector: str,
    datasets: int = 1,
) -> Forged:
    """Forge the faces of all photographs in a folder.

    Args:
        root: The photographs.
        tools: What generators may use; its folder is where the pictures are kept.
        generators: The methods.
        missing: Methods that are left out, and why.
        limit: Number of faces, at most; two people after two people, in an order by the seed.
        detector: The component that finds faces.
        datasets: Number of datasets that people are divided among, two in each at least.

    Raises:
        KCEError: There are no photographs, no faces, fewer than two people of one camera, or too few for the datasets.
    """
    files = list_pictures(root)
    sizes = [(root / file).stat().st_size for file in files]
    wanted = {
        "version": _VERSION,
        "pictures": [list(one) for one in zip(files, sizes, strict=True)],
        "limit": limit,
        "detector": detector,
        "side": tools.side,
        "seed": tools.seed,
        "pool": tools.pool,
    }
    index = tools.folder / _INDEX
    known = _read_index(index, wanted)
    if known is not None and set(known.methods) == set(generators):
        return known
    landmarks: Landmarks = tools.share("landmarks", Landmarks)
    chosen, left_out = _choose(root, files, landmarks, tools, limit, detector)
    check_people(len(chosen), datasets)  # before anything is forged
    with _one_thread_each():
        for generator in generators.values():
            generator.prepare()
        pairs = [pair for couple in chosen for pair in couple]
        jobs = [partial(_forge_pair, root, pair, generators, landmarks, tools) for pair in pairs]
        outcomes = dict(zip(pairs, run_all(jobs, "forged pairs of faces", tools.progress), strict=True))
    left_out += [LeftOut(face.file, why) for pair, why in outcomes.items() if why for face in pair]
    kept = tuple(tuple(pair for pair in couple if not outcomes[pair]) for couple in chosen)
    kept = tuple(couple for couple in kept if couple)
    if not kept:
        raise KCEError("every pair of faces failed", f"the first: {next(iter(outcomes.values()))}")
    reasons = {name: f"{error.message} ({error.hint})" for name, error in missing.items()}
    forged = Forged(tools.folder, kept, tuple(generators), reasons, tuple(left_out))
    found = {
        "couples": [[[asdict(face) for face in pair] for pair in couple] for couple in kept],
        "methods": list(generators),
        "missing": reasons,
        "left_out": [asdict(one) for one in left_out],
    }
    write_bytes(index, json.dumps({"wanted": wanted, "found": found}, indent=1).encode())
    return forged


def check_people(couples: int, datasets: int) -> None:
    """Raise KCEError if there are fewer couples than datasets that have people of their own."""
    if couples < datasets:
        raise KCEError(
            f"{2 * couples} people are too few to be in {datasets} datasets, two in each",
            "people=shared puts all of them in every dataset",
        )


def _read_index(path: Path, wanted: Mapping[str, Any]) -> Forged | None:
    try:
        index = json.loads(path.read_bytes())
        if index["wanted"] != wanted:
            return None
        found = index["found"]
        return Forged(
            path.parent,
            tuple(tuple(tuple(_face(one) for one in pair) for pair in couple) for couple in found["couples"]),  # type: ignore[misc]
            tuple(found["methods"]),
            dict(found["missing"]),
            tuple(LeftOut(**one) for one in found["left_out"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        _log.warning("%s is damaged: the pictures are looked through again", path)
        return None


def _face(row: dict[str, Any]) -> FoundFace:
    return FoundFace(**{**row, "box": tuple(row["box"])})


def _choose(
    root: Path, files: Sequence[str], landmarks: Landmarks, tools: Tools, limit: int, detector: str
) -> tuple[list[list[Couple]], list[LeftOut]]:
    """Find faces and couples, and take as many as are allowed."""
    finder = kce.Registry.load().build("detector", detector)
    found: list[FoundFace] = []
    left_out: list[LeftOut] = []
    for number, file in enumerate(files):
        tools.progress("looked for faces", number, len(files))
        for one in faces_of(root, file, finder, landmarks, tools.side):
            (found if isinstance(one, FoundFace) else left_out).append(one)  # type: ignore[arg-type]
    if not found:
        raise KCEError(
            f"no face in the {len(files)} pictures of {root} can be used",
            f"the first, {left_out[0].file}: {left_out[0].reason}",
        )
    made, alone = couples(found)
    if not made:
        raise KCEError(
            f"the pictures of {root} show one person, or one for each camera",
            "forgeries need a second person as donor: names of files begin with who they show, as in anna_1.jpg",
        )
    left_out += alone
    chosen: list[list[Couple]] = []
    room = limit
    for couple in sorted(made, key=lambda couple: _rank(tools.seed, couple[0][0].person)):
        take = min(len(couple), room // 2)
        left_out += [
            LeftOut(face.file, f"beyond the limit of {limit} faces") for pair in couple[take:] for face in pair
        ]
        chosen += [couple[:take]] if take else []
        room -= 2 * take
    return chosen, left_out


def _rank(seed: int, name: str) -> bytes:
    from hashlib import blake2b

    return blake2b(f"{seed}/{name}".encode()).digest()


def _forge_pair(
    root: Path, pair: Couple, generators: Mapping[str, Generator], landmarks: Landmarks, tools: Tools
) -> str:
    """Forge both faces of a pair by all methods. Returns why it failed; empty if it did not."""
    todo = [
        (one, other, name)
        for one, other in (pair, pair[::-1])
        for name in (REAL, *generators)
        if read_png(picture_path(tools.folder, name, one)) is None
    ]
    if not todo:
        return ""
    faces = {found: load_face(root, found, landmarks, tools.side) for found in pair}
    for one, other, name in todo:
        image = faces[one].image
        if name != REAL:
            try:
                image = _forge(generators[name], faces[one], faces[other], f"{tools.seed}/{name}/{one.key}")
            except (KeyboardInterrupt, MemoryError):
                raise
            except Exception as error:  # a generator may be anybody's
                return f"the method {name} failed on it or on its donor: {type(error).__name__}: {error}"
        write_png(picture_path(tools.folder, name, one), image)
    return ""


def _forge(generator: Generator, face: Face, donor: Face, purpose: str) -> Image:
    import numpy as np

    image = np.asarray(generator.forge(face, donor, seeded(purpose)))
    if image.shape != face.image.shape or image.dtype != np.uint8:
        raise ValueError(f"it returned {image.dtype} {image.shape}, not uint8 {face.image.shape}")
    if (image == face.image).all():
        raise ValueError("it left the picture as it was")
    return image


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let libraries work on one thread each: faces are forged in parallel, and sums do not depend on the cores."""
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
