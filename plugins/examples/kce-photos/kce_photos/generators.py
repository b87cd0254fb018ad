"""What a method of forgery is, and which ones there are: all of them are found by entry point."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import KCEError

from .files import digest, hash_of
from .packages import VERSIONS, Missing

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

    from .face import Face
    from .files import Progress

GROUP = "kce_photos.generators"
"""The group of entry points: NAME = "module:Class"."""
REAL = "real"
"""The name of what is not forged, among the methods."""
WHOLE = ("gan-whole",)
"""Methods that keep nothing of the picture, so that whatever is in it tells them apart: never seen in training."""


class Generator:
    """A method of forgery: one class, one method.

    The class is built once, with the ``Tools``; it raises ``Missing`` if something that it needs is not there. Pictures
    are made once. They are made again if the version of the method's package, the module that defines it, or its
    `identity` is another one.

    Attributes:
        identity: What else decides about its pictures, such as a hash of weights.

    Example:
        A swap model of your own, in the ``pyproject.toml`` of your package::

            [project.entry-points."kce_photos.generators"]
            my-swap = "my_package:MySwap"

        and in ``my_package.py``::

            import kce_photos

            class MySwap(kce_photos.Generator):
                def __init__(self, tools):
                    self.network = load(...)

                def forge(self, face, donor, random):
                    return face.splice(self.network(face.image, donor.image))
    """

    identity: str = ""

    def __init__(self, tools: Tools) -> None:
        """Load what the method needs; most need nothing."""

    def prepare(self) -> None:
        """Make what takes long and is needed once, before the first face; most methods need nothing."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """Forge a face; several threads call it.

        Args:
            face: The face to forge.
            donor: A face of another person, from the same camera.
            random: Sets the strength, where a method has one; depends on the seed, the method and the face alone.

        Returns:
            uint8 (side, side, 3), RGB, in [0, 255]: the picture with the forged face; ``face.splice`` makes one of what
            a network returns. If anything is raised, or the picture is as it was, this face and its donor are dropped
            from all methods.
        """
        raise NotImplementedError


@dataclass
class Tools:
    """What generators may use.

    Attributes:
        folder: A folder that outlives the process: for what is made once, such as faces of a GAN.
        vae: The folder that has the weights of the VAE.
        side: Width and height of the pictures, in pixels.
        seed: The seed of the world.
        pool: Number of faces that a GAN makes beforehand.
        progress: Called with what is being made, how much of it is done, and the total.
    """

    folder: Path
    vae: Path
    side: int = 192
    seed: int = 0
    pool: int = 500
    progress: Progress = lambda *_: None
    _shared: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    def share(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what several generators use, such as a network; it is made when it is first asked for."""
        with self._lock:
            if name not in self._shared:
                self._shared[name] = make()
            return self._shared[name]


def generator_classes() -> dict[str, metadata.EntryPoint]:
    """List all generators that are installed, by name.

    Raises:
        KCEError: Two packages have one of the same name, or a name cannot be that of a folder or of a method.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        if point.name == REAL or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", point.name):
            raise KCEError(
                f"{point.value}: a generator cannot be called {point.name!r}",
                f"use letters, digits, '-', '_' and '.', and not {REAL!r}",
            )
        if point.name in found and point.value != found[point.name].value:
            raise KCEError(
                f"two packages have a generator {point.name}: {found[point.name].value} and {point.value}",
                "rename one of them, or uninstall one",
            )
        found[point.name] = point
    return found


def build_generators(names: list[str], tools: Tools) -> tuple[dict[str, Generator], dict[str, Missing]]:
    """Build generators by name.

    Returns:
        Those that could be built, and why the others could not.

    Raises:
        KCEError: There is no generator of a name.
    """
    classes = generator_classes()
    built: dict[str, Generator] = {}
    missing: dict[str, Missing] = {}
    for name in names:
        if name not in classes:
            raise KCEError(f"there is no method {name}", f"choose from {', '.join(sorted(classes))}")
        try:
            built[name] = classes[name].load()(tools)
        except Missing as error:
            missing[name] = error
        except Exception as error:  # it may be anybody's
            missing[name] = Missing(f"{classes[name].value}: {type(error).__name__}: {error}", "see what it needs")
    return built, missing


def identities(generators: Mapping[str, Generator], tools: Tools) -> dict[str, str]:
    """Say what makes the pictures of each method, and those of reals, what they are: method -> a hash."""
    points = generator_classes()
    own = [hash_of(path) for path in sorted(Path(__file__).parent.glob("*.py"))]  # what cuts, warps and splices faces
    found = {REAL: digest(own, tools.side)}
    for name, generator in generators.items():
        package = points[name].dist
        version = f"{package.name} {package.version}" if package else ""
        module = hash_of(Path(inspect.getfile(type(generator))))
        found[name] = digest(own, VERSIONS, tools.side, tools.seed, version, module, generator.identity)
    return found
