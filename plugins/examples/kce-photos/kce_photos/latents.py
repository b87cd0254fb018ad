"""Methods in the latents of a VAE: the tiny autoencoder of FLUX.2's latents (madebyollin/taesd, MIT)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .face import recoloured
from .files import hash_of
from .generators import Generator
from .packages import Missing
from .swaps import laid_over

if TYPE_CHECKING:
    import numpy as np
    import torch

    from kce import Image

    from .face import Face
    from .generators import Tools

ENCODER, DECODER = "taef2_encoder.pth", "taef2_decoder.pth"
SIDE_OF_A_LATENT = 8
"""Pixels that a latent stands for, across and down."""


class Vae:
    """The autoencoder; pictures are float32 (side, side, 3) in [0, 255], and `side` a multiple of 8.

    Raises:
        Missing: A file of its weights is not there, or is something else.
    """

    def __init__(self, folder: Path) -> None:
        from .layers import tiny_decoder, tiny_encoder

        self._folder = folder
        self._encoder = _loaded(tiny_encoder(), folder / ENCODER)
        self._decoder = _loaded(tiny_decoder(), folder / DECODER)

    @property
    def identity(self) -> str:
        """A hash of its weights."""
        return " ".join(hash_of(self._folder / name) for name in (ENCODER, DECODER))

    def encode(self, image: np.ndarray) -> torch.Tensor:
        """Encode a picture: latents (1, 32, side / 8, side / 8)."""
        import numpy as np
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))[None] / 255
        with torch.inference_mode():
            latents: torch.Tensor = self._encoder(pixels)
        return latents

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Decode latents to a picture."""
        import torch

        with torch.inference_mode():
            pixels: np.ndarray = self._decoder(latents).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        return pixels * 255


def _loaded(network: Any, path: Path) -> Any:
    import kce

    if not path.is_file():
        raise Missing(
            f"there is no file {path.name} in {path.parent}",
            "get it from github.com/madebyollin/taesd (MIT), and name its folder with vae=...",
        )
    try:
        network.load_state_dict(kce.read_weights(path))
    except RuntimeError as error:
        raise Missing(f"{path.name} has other weights than expected", "get it from madebyollin/taesd") from error
    return network.eval().requires_grad_(requires_grad=False)


class RoundTrip(Generator):
    """The face through the encoder and the decoder: what a latent diffusion model does to what it leaves alone."""

    def __init__(self, tools: Tools) -> None:
        self._vae: Vae = tools.share("vae", lambda: Vae(tools.vae))
        self.identity = self._vae.identity

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        return face.splice(self._vae.decode(self._vae.encode(face.image)))


class LatentSwap(Generator):
    """The donor's face on the landmarks of the target, mixed with it in the latents."""

    def __init__(self, tools: Tools) -> None:
        self._vae: Vae = tools.share("vae", lambda: Vae(tools.vae))
        self.identity = self._vae.identity

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import cv2
        import torch

        own = self._vae.encode(face.image)
        other = self._vae.encode(recoloured(laid_over(face, donor), face))
        small = cv2.resize(face.mask, own.shape[-2:][::-1], interpolation=cv2.INTER_AREA)
        share = torch.from_numpy(small)
        return face.splice(self._vae.decode(own + share * (other - own)))
