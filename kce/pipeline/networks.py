"""How large the faces and features of a run's networks are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kce.errors import KCEError
from kce.registry import isolation
from kce.training.weights import read_weights_metadata

if TYPE_CHECKING:
    from kce.registry.registry import Registry, ResolvedComponent

_MAX_SIZE = 4096  # pixels; a batch of 32 such faces takes 6 GB before the first layer


class NetworkShape(NamedTuple):
    """What a backbone takes and returns.

    Attributes:
        size: Side of its faces, in pixels.
        dim: Features of a face.
    """

    size: int
    dim: int


class Networks:
    """The shapes of backbones, each found out when it is first asked for.

    A backbone is checked and built for it, unless weights of it exist, which record its shape: what only clusters
    stored features then needs no network, and does not load PyTorch, which takes more memory than the faces of a study.

    Args:
        registry: Builds backbones.
        weights: Weights files of the run and of others, which need not exist.
        timeout: Seconds that a third party's backbone may take to answer; 0 = for ever.
    """

    def __init__(self, registry: Registry, weights: Sequence[Path], timeout: float) -> None:
        self._registry, self._weights, self._timeout = registry, weights, timeout
        self._shapes: dict[str, NetworkShape] = {}

    def shape(self, spec: str) -> NetworkShape:
        """The shape of a backbone.

        Raises:
            KCEError: It fails, or takes faces of a size that makes no sense.
        """
        if spec not in self._shapes:
            part = self._registry.resolve("backbone", spec)
            shape = self._recorded(part) or self._measured(part)
            if not 0 < shape.size <= _MAX_SIZE:
                raise KCEError(
                    f"the backbone {spec} takes faces of {shape.size} pixels", f"its size can be from 1 to {_MAX_SIZE}"
                )
            self._shapes[spec] = shape
        return self._shapes[spec]

    def _recorded(self, part: ResolvedComponent) -> NetworkShape | None:
        for path in self._weights:
            metadata: dict[str, Any] = read_weights_metadata(path) if path.is_file() else {}
            size, dim = metadata.get("size"), metadata.get("dim")  # which older versions did not write
            if metadata.get("backbone") == part.spec and isinstance(size, int) and isinstance(dim, int):
                return NetworkShape(size, dim)
        return None

    def _measured(self, part: ResolvedComponent) -> NetworkShape:
        isolation.check_backbone(part, self._registry, self._timeout)
        network = part.build()
        return NetworkShape(int(network.size), int(network.dim))
