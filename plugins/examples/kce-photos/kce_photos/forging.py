"""Forges every face by every method, once, and keeps the pictures; what is there already is not made again."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import kce
from kce import KCEError

from .files import digest, read_png, run_all, seeded, unreadable, write_bytes, write_png
from .find import Couple, FoundFace, LeftOut, apart, couples, faces_of, list_pictures, load_face
from .generators import REAL, identities
from .landmarks import Landmarks

if TYPE_CHECKING:
    from kce import Image

    from .face import Face
    from .generators import Generator, Tools
    from .packages import Missing

_log = logging.getLogger("kce.photos")
_LIBRARIES = ("ai-edge-litert", "ncnn", "numpy", "opencv-contrib-python-headless", "openvino", "scipy", "torch")


@dataclass(frozen=True)
class Forged:
    """What was forged.

    Attributes:
        folder: Where the pictures are.
        index: The file that says so.
        couples: For each two people the pairs of faces that were forged by every method.
        identities: Method, and "real" -> what its pictures are made by (``kce_photos.generators.identities``).
        missing: Method that is left out -> why, and what to do about it.
        left_out: What is not used.
    """

    folder: Path
    index: Path
    couples: tuple[tuple[Couple, ...], ...]
    identities: dict[str, str]
    missing: dict[str, str]
    left_out: tuple[LeftOut, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods."""
        return tuple(name for name in self.identities if name != REAL)

    @cached_property
    def _donors(self) -> dict[FoundFace, FoundFace]:
        pairs = [pair for couple in self.couples for pair in couple]
        return {face: donor for pair in pairs for face, donor in (pair, pair[::-1])}

    def path(self, method: str, face: FoundFace) -> Path:
        """Where a picture is kept."""
        return picture_path(self.folder, method, self.identities[method], face, self._donors[face])

    def read(self, method: str, face: FoundFace) -> Image:
        """Read a face as a method forged it; "real" = as it is.

        Raises:
            KCEError: Somebody removed or damaged it.
        """
        image = read_png(self.path(method, face))
        if image is None:
            raise KCEError(
                f"{self.path(method, face)} is not there, or damaged", f"remove {self.index} to have it made again"
            )
        return image


def picture_path(folder: Path, method: str, identity: str, face: FoundFace, donor: FoundFace) -> Path:
    """Where a picture is kept that a method of this identity made of a face and its donor."""
    name = face.key if method == REAL else f"{face.key}-{donor.key}"
    return folder / "pictures" / f"{method}-{identity}" / f"{name}.png"


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
        KCEError: There are no photographs, no faces, fewer than two people of one camera, or too few for the datasets;
            or a method cannot be prepared.
    """
    files = list_pictures(root)
    made_by = identities(generators, tools)
    wanted = {
        "pictures": [[file, *_state(root / file)] for file in files],
        "limit": limit,
        "detector": detector,
        "side": tools.side,
        "seed": tools.seed,
        "methods": made_by,
    }
    index = tools.folder / f"index-{digest(wanted)}.json"
    reasons = {name: f"{error.message} ({error.hint})" for name, error in missing.items()}
    found = _read_index(index, wanted)
    if found is not None:
        return Forged(tools.folder, index, found[0], made_by, reasons, found[1])
    landmarks: Landmarks = tools.share("landmarks", Landmarks)
    chosen, left_out = _choose(root, files, landmarks, tools, limit, detector)
    check_people(chosen, datasets)  # before anything is forged
    with _one_thread_each():
        for name, generator in generators.items():
            _prepare(name, generator)
        pairs = [pair for couple in chosen for pair in couple]
        jobs = [partial(_forge_pair, root, pair, generators, made_by, landmarks, tools) for pair in pairs]
        outcomes = dict(zip(pairs, run_all(jobs, "forged pairs of faces", tools.progress), strict=True))
    failed = {pair: outcome for pair, outcome in outcomes.items() if outcome is not None}
    if len(failed) == len(pairs):
        raise KCEError("every pair of faces failed", f"the first: {next(iter(failed.values())).reason}")
    if failed:
        count = Counter(failure.method for failure in failed.values())
        _log.warning(
            "%d of %d pairs of faces are dropped, because a method failed on them: %s",
            len(failed),
            len(pairs),
            ", ".join(f"{name} {number}" for name, number in sorted(count.items())),
        )
    left_out += [LeftOut(face.file, failure.reason) for pair, failure in failed.items() for face in pair]
    kept = tuple(tuple(pair for pair in couple if pair not in failed) for couple in chosen)
    kept = tuple(couple for couple in kept if couple)
    content = {
        "couples": [[[asdict(face) for face in pair] for pair in couple] for couple in kept],
        "left_out": [asdict(one) for one in left_out],
        "libraries": {name: _version(name) for name in _LIBRARIES},  # for information
    }
    write_bytes(index, json.dumps({"wanted": wanted, "found": content}, indent=1).encode())
    return Forged(tools.folder, index, kept, made_by, reasons, tuple(left_out))


def check_people(made: Sequence[Sequence[Couple]], datasets: int) -> None:
    """Raise KCEError if there are fewer couples without a common photograph than datasets with people of their own."""
    if len(apart(made)) < datasets:
        raise KCEError(
            f"{2 * len(made)} people are too few to be in {datasets} datasets, two in each, and no picture in two",
            "people=shared puts all of them in every dataset",
        )


def _state(path: Path) -> tuple[int, int]:
    """The size of a file, and when it was changed."""
    try:
        state = path.stat()
    except OSError as error:
        raise unreadable(error) from error
    return state.st_size, state.st_mtime_ns


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # it may be there under another name, as OpenCV is
        return ""


def _prepare(name: str, generator: Generator) -> None:
    try:
        generator.prepare()
    except (KeyboardInterrupt, MemoryError, KCEError):
        raise
    except Exception as error:  # a generator may be anybody's
        raise KCEError(
            f"the method {name} cannot be prepared: {type(error).__name__}: {error}",
            "repair it, or name the other methods with methods=A+B+...",
        ) from error


def _read_index(
    path: Path, wanted: Mapping[str, Any]
) -> tuple[tuple[tuple[Couple, ...], ...], tuple[LeftOut, ...]] | None:
    """The couples and what is left out, of an index of what is wanted; None if there is none."""
    try:
        index = json.loads(path.read_bytes())
        if index["wanted"] != wanted:
            return None
        found = index["found"]
        made = tuple(tuple(tuple(_face(one) for one in pair) for pair in couple) for couple in found["couples"])
        return made, tuple(LeftOut(**one) for one in found["left_out"])  # type: ignore[return-value]
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
            "forgeries need a second person as donor: names of files begin with who they show (london/anna_1.jpg), "
            "or a folder is that of a person (london/anna/1.jpg)",
        )
    _doubt_cameras(found)
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


def _doubt_cameras(found: Sequence[FoundFace]) -> None:
    """Warn if folders that are taken for cameras look like folders of one person each."""
    people, cameras = len({face.person for face in found}), len({face.camera for face in found})
    if cameras > 2 and people < 4 * cameras:
        _log.warning(
            "%d folders are taken for cameras, with %d people in all. If each is of one person, put them into one more "
            "folder, as in london/anna/1.jpg: else a person may become their own donor",
            cameras,
            people,
        )


def _rank(seed: int, name: str) -> bytes:
    return blake2b(f"{seed}/{name}".encode()).digest()


class _Failure(NamedTuple):
    """Why a pair of faces is dropped."""

    method: str
    reason: str


def _forge_pair(
    root: Path,
    pair: Couple,
    generators: Mapping[str, Generator],
    made_by: Mapping[str, str],
    landmarks: Landmarks,
    tools: Tools,
) -> _Failure | None:
    """Forge both faces of a pair by all methods, as far as it is not done."""
    todo = [
        (one, other, name, path)
        for one, other in (pair, pair[::-1])
        for name, identity in made_by.items()
        if read_png(path := picture_path(tools.folder, name, identity, one, other)) is None
    ]
    if not todo:
        return None
    faces = {found: load_face(root, found, landmarks, tools.side) for found in pair}
    for one, other, name, path in todo:
        image = faces[one].image
        if name != REAL:
            try:
                image = _forge(generators[name], faces[one], faces[other], f"{tools.seed}/{name}/{one.key}")
            except (KeyboardInterrupt, MemoryError):
                raise
            except Exception as error:  # a generator may be anybody's
                why = f"the method {name} failed on it or on its donor: {type(error).__name__}: {error}"
                return _Failure(name, why)
        write_png(path, image)
    return None


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
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):  # of NumPy and SciPy
            yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
