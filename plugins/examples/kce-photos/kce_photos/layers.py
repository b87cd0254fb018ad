"""The layers of the networks whose weights come as a state dict: their modules have the names that the files have."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

_WIDTH, _LATENTS = 64, 32


def _conv(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


class _Block(nn.Module):
    """Three convolutions around a shortcut; some blocks first add a mix of normalised channels."""

    def __init__(self, *, mixes: bool = False) -> None:
        super().__init__()
        w = _WIDTH
        self.conv = nn.Sequential(_conv(w, w), nn.ReLU(), _conv(w, w), nn.ReLU(), _conv(w, w))
        self.pool = (
            nn.Sequential(
                nn.Conv2d(w, 4 * w, 1, bias=False),
                nn.GroupNorm(4, 4 * w),
                nn.ReLU(),
                nn.Conv2d(4 * w, w, 1, bias=False),
            )
            if mixes
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return F.relu(self.conv(x) + x)


class _Clamp(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3 * torch.tanh(x / 3)


def _blocks(count: int, *, mixes: bool = False) -> list[nn.Module]:
    return [_Block(mixes=mixes) for _ in range(count)]


def tiny_encoder() -> nn.Sequential:
    """Pictures (n, 3, side, side) in [0, 1] -> latents (n, 32, side / 8, side / 8)."""
    w = _WIDTH
    halved = [layer for _ in range(2) for layer in (_conv(w, w, stride=2, bias=False), *_blocks(3))]
    last = [_conv(w, w, stride=2, bias=False), *_blocks(3, mixes=True)]
    return nn.Sequential(_conv(3, w), *_blocks(1), *halved, *last, _conv(w, _LATENTS))


def tiny_decoder() -> nn.Sequential:
    """Latents (n, 32, side / 8, side / 8) -> pictures (n, 3, side, side), about [0, 1]."""
    w = _WIDTH
    layers = [_Clamp(), _conv(_LATENTS, w), nn.ReLU(), *_blocks(3, mixes=True)]
    for count in (3, 3, 1):
        layers += [nn.Upsample(scale_factor=2), _conv(w, w, bias=False), *_blocks(count)]
    return nn.Sequential(*layers, _conv(w, 3))


class BayerDemosaic(nn.Module):
    """The network of Gharbi et al. 2016 for Bayer mosaics, as released; without padding, so that borders are lost."""

    def __init__(self) -> None:
        super().__init__()
        w, depth = 64, 15
        main = nn.Sequential()
        main.add_module("pack_mosaic", nn.Conv2d(3, 4, 2, stride=2))
        for i in range(1, depth + 1):
            main.add_module(f"conv{i}", nn.Conv2d(4 if i == 1 else w, 2 * w if i == depth else w, 3))
            main.add_module(f"relu{i}", nn.ReLU())
        self.main_processor = main
        self.residual_predictor = nn.Conv2d(w, 12, 1)
        self.upsampler = nn.ConvTranspose2d(12, 3, 2, stride=2, groups=3)
        full = nn.Sequential()
        full.add_module("post_conv", nn.Conv2d(6, w, 3))
        full.add_module("post_relu", nn.ReLU())
        full.add_module("output", nn.Conv2d(w, 3, 1))
        self.fullres_processor = full

    def forward(self, mosaic: torch.Tensor) -> torch.Tensor:
        """Mosaics (n, 3, side, side) in [0, 1], 0 where a colour was not measured -> pictures of about that size."""
        filters, masks = self.main_processor(mosaic).chunk(2, dim=1)
        restored = self.upsampler(self.residual_predictor(filters * masks))
        edge = (mosaic.shape[-1] - restored.shape[-1]) // 2
        own = mosaic[..., edge : edge + restored.shape[-2], edge : edge + restored.shape[-1]]
        picture: torch.Tensor = self.fullres_processor(torch.cat([own, restored], dim=1))
        return picture
