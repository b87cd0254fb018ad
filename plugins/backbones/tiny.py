"""The backbone `tiny`, small enough for a demonstration on two CPU cores and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, residuals

if TYPE_CHECKING:
    from torch import Tensor, nn


def tiny(size: int = 64, width: int = 16, residual: bool = False) -> nn.Module:
    """Small network of seven convolutions and global average pooling: 8 x width features.

    For the demonstration and for tests; it has no published counterpart.

    Args:
        size: Side of the faces in pixels, at least 16.
        width: Channels of the first layers.
        residual: Whether the network sees residuals (a high-pass filter, see `kce.residuals`) instead of pictures.
    """
    from torch import nn

    if size < 16 or width < 1:
        raise KCEError(f"backbone tiny: size={size}, width={width} is too small", "size >= 16 and width >= 1")

    def block(channels: int, out: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size = size
            self.dim = 8 * width
            widths = [3, width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width]
            strides = [1, 2, 1, 2, 1, 2, 1]
            layers: list[nn.Module] = []
            for channels, out, stride in zip(widths, widths[1:], strides, strict=False):
                layers += block(channels, out, stride)
            self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

        def forward(self, faces: Tensor) -> Tensor:
            if residual:
                faces = residuals(faces)
            features: Tensor = self.layers((faces - 0.5).div_(0.5))
            return features

    return Tiny()


@hookimpl
def kce_backbones() -> dict[str, Any]:
    return {"tiny": tiny}
