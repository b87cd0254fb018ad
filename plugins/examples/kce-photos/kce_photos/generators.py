"""What a method of forgery is, and which ones there are: all of them are found by entry point."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import KCEError

from .packages import Missing

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

    from .face import Face
    from .files import Progress

GROUP = "kce_photos.generators"
"""The group of entry points: NAME = "module:Class"."""
WHOLE = ("gan-whole",)
"""Methods that keep nothing of the picture, so that whatever is in it tells them apart: never seen in training."""


class Generator:
    """A method of forgery: one class, one method.

    The class is built once, with the ``Tools``; it raises ``Missing`` if something that it needs is not there.

    Example:
        A swap model of your own, in the ``pyproject.toml`` of your package::

            [project.entry-points."kce_photos.generators"]
            my-swap = "my_package:MySwap"

        and in ``my_package.py``::

            class MySwap(kce_photos.Generator):
                def __init__(self, tools):
                    self.network = load(...)

                def forge(self, face, donor, random):
                    return face.splice(self.network(face.image, donor.image))
    """

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
            uint8 (side, side, 3), RGB: the picture with the forged face.
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
        KCEError: Two packages have one of the same name.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
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
