"""F3-Net (Qian et al., "Thinking in Frequency", ECCV 2020, arXiv 2007.09355): two Xceptions on frequencies.

Written from the paper's definitions; the authors' code was never released. Section 3.1 splits the picture into three
frequency bands (FAD), section 3.2 maps local frequency statistics (LFS), section 3.3 lets the two streams attend to
each other (MixBlock). Where the paper leaves a choice open, a comment names the choice made here. The form of the
MixBlock's convolutions, and so its number of parameters, is that of public re-implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import KCEError, Registry, hookimpl, load_weights, read_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

WINDOW, STRIDE, BANDS = 10, 2, 6  # section 4.1 of the paper
FAD_SHARES = (1, 1, 14)  # sixteenths of the spectrum's area: low, middle, high
# The largest value of one band: the 100 coefficients of a window of 255s have an L2 norm of 2550, so an L1 norm of at
# most 25,500. Twice that, where a learnt filter reaches 2, is still below float16's maximum of 65,504.
LFS_MAX = 255 * WINDOW * WINDOW
STAGES = (  # the trunk up to the first MixBlock, up to the second, and the rest
    ("conv1", "bn1", "act1", "conv2", "bn2", "act2", *(f"block{i}" for i in range(1, 8))),
    tuple(f"block{i}" for i in range(8, 13)),
    ("conv3", "bn3", "act3", "conv4", "bn4", "act4", "global_pool"),
)
MIXED = (728, 1024)  # channels of Xception's maps after blocks 7 and 12


def f3net(size: int = 299, weights: str = "none") -> nn.Module:
    """F3-Net as published: FAD and LFS with MixBlocks after blocks 7 and 12; 4096 features, 2048 of each stream.

    Args:
        size: Side of the faces in pixels, at least 32; the paper's is 299.
        weights: "none", "pretrained" (both Xceptions start from timm's ImageNet weights), or a local .safetensors or
            .pth file, either of this network or of a plain Xception, from which both then start.
    """
    return _f3net("mix", size, weights)


def f3net_both(size: int = 299, weights: str = "none") -> nn.Module:
    """F3-Net without MixBlocks: FAD and LFS side by side, 4096 features. Parameters as for `f3net`."""
    return _f3net("both", size, weights)


def f3net_fad(size: int = 299, weights: str = "none") -> nn.Module:
    """F3-Net's frequency-aware decomposition alone: 2048 features. Parameters as for `f3net`."""
    return _f3net("fad", size, weights)


def f3net_lfs(size: int = 299, weights: str = "none") -> nn.Module:
    """F3-Net's local frequency statistics alone: 2048 features. Parameters as for `f3net`."""
    return _f3net("lfs", size, weights)


def f3net_tiny(size: int = 64, width: int = 16, mode: str = "mix", weights: str = "none") -> nn.Module:
    """F3-Net's FAD, LFS and MixBlocks on a stack of six convolutions: 8 x width features for each stream.

    For small studies and tests; it has no published counterpart.

    Args:
        size: Side of the faces in pixels, at least 32.
        width: Channels of the first layer.
        mode: "mix", "both", "fad" or "lfs", as in the names of the full networks.
        weights: "none", or a local file of this network.
    """
    if width < 1 or mode not in ("mix", "both", "fad", "lfs"):
        raise KCEError(f"backbone f3net-tiny: width={width}, mode={mode!r}", "width >= 1; mode: mix, both, fad or lfs")
    if weights == "pretrained":
        raise KCEError("no pretrained weights of f3net-tiny are published", "use f3net, or weights=none")
    network = _network("f3net-tiny", mode, size, lambda channels: _tiny_trunk(channels, width), (4 * width, 8 * width))
    if weights != "none":
        load_weights(network, weights)
    return network


def _f3net(mode: str, size: int, weights: str) -> nn.Module:
    import timm

    def trunk(channels: int) -> nn.Module:
        xception: nn.Module = timm.create_model("legacy_xception", in_chans=channels, num_classes=0)
        return xception

    network = _network("f3net", mode, size, trunk, MIXED)
    if weights == "pretrained":
        plain = Registry.load(Path("/")).build("backbone", "xception:weights=pretrained").net
        _start_from(network, plain.state_dict())
    elif weights != "none":
        state = read_weights(weights)
        first = state.get("conv1.weight")
        if first is not None and tuple(first.shape[1:]) == (3, 3, 3):
            plain = trunk(3)
            load_weights(plain, state)
            _start_from(network, plain.state_dict())
        else:
            load_weights(network, state)
    return network


def _start_from(network: nn.Module, xception: dict[str, Tensor]) -> None:
    """Copy a plain Xception into every trunk, its first convolution repeated over the bands.

    The three bands of FAD add up to the picture, so with repeated filters the first response is exactly that of the
    plain network. The six maps of LFS each have a picture's range, so the repeated filters are halved: twice the input
    channels, the same scale of response.
    """
    for name, repeats, scale in (("fad_trunk", 3, 1.0), ("lfs_trunk", 2, 0.5)):
        if hasattr(network, name):
            conv1 = xception["conv1.weight"].repeat(1, repeats, 1, 1) * scale
            load_weights(getattr(network, name), {**xception, "conv1.weight": conv1})


def dct_matrix(n: int) -> Tensor:
    """Build the orthonormal DCT-II of length n: D (n, n) float64; D @ x transforms a column, and D @ D.T is I."""
    import torch

    k = torch.arange(n, dtype=torch.float64)
    matrix: Tensor = torch.cos(torch.pi * k[:, None] * (2 * k + 1) / (2 * n)) * (2 / n) ** 0.5
    matrix[0] /= 2**0.5
    return matrix


def diagonal_bands(n: int, shares: Sequence[int]) -> Tensor:
    """Divide the n x n spectrum along its diagonals i + j into bands with given shares of its area.

    Every coefficient is in one band, the constant one in the first. Each band in turn takes as many diagonals as bring
    it nearest to its share of the remaining area; on a tie, fewer. Public re-implementations cut at fixed fractions of
    the side instead, which at most sizes are not these fractions of the area.

    Args:
        n: Side of the spectrum.
        shares: Shares of the area, relative to each other.

    Returns:
        (bands, n, n) of 0 and 1.
    """
    import torch

    lengths = [min(k + 1, 2 * n - 1 - k) for k in range(2 * n - 1)]
    diagonal = torch.arange(n)[:, None] + torch.arange(n)
    bands, start, left = [], 0, n * n
    for i, share in enumerate(shares):
        wanted = left * share / sum(shares[i:])
        end = min(range(start, 2 * n), key=lambda stop: abs(sum(lengths[start:stop]) - wanted))
        bands.append((diagonal >= start) & (diagonal < end))
        left -= sum(lengths[start:end])
        start = end
    return torch.stack(bands).float()


def squash(x: Tensor) -> Tensor:
    """Compute (1 - e^-x) / (1 + e^-x) = tanh(x / 2), in (-1, 1), by which the paper limits learnt filters."""
    return (x / 2).tanh()


def _fad(size: int) -> nn.Module:
    """Frequency-aware decomposition (section 3.1): pictures (n, 3, size, size) -> bands (n, 9, size, size).

    The picture's DCT is filtered by three base filters, each with a learnable part, and every band is transformed back.
    Channels come band by band: low RGB, middle RGB, high RGB. It computes in float32 even under autocast: forgery
    traces in the high band are smaller than bfloat16's rounding of the low coefficients they would be added to.
    """
    import torch
    from torch import nn

    class FAD(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dct: Tensor
            self.base: Tensor
            self.register_buffer("dct", dct_matrix(size).float(), persistent=False)
            self.register_buffer("base", diagonal_bands(size, FAD_SHARES), persistent=False)
            # Zero, so that training starts with the base filters; squash has slope 1/2 there.
            self.learnable = nn.Parameter(torch.zeros(3, size, size))

        def forward(self, picture: Tensor) -> Tensor:
            with torch.autocast(picture.device.type, enabled=False):
                spectrum = self.dct @ picture.to(self.dct.dtype) @ self.dct.T
                filters = self.base + squash(self.learnable)
                bands = self.dct.T @ (spectrum[:, None] * filters[:, None]) @ self.dct
                return bands.flatten(1, 2)

    return FAD()


def _lfs() -> nn.Module:
    """Local frequency statistics (section 3.2): faces (n, 3, s, s) in [0, 1] -> (n, 6, w, w), w = (s - 1) // 2.

    A 10 x 10 window slides over the luma with stride 2; from its DCT come q = log10(1 + |D * (base +
    squash(learnable))|_1) for six bands of equal area. Luma is in 8-bit levels, 0 to 255: the scale only shifts the
    logarithm, but decides what the 1 inside it means. One level is the smallest step of an 8-bit picture: a flat window
    gives 0 and not the logarithm of rounding errors, slopes stay below 0.44, and all values fit into float16.

    The picture is reflected by 3 pixels before and 4 after it. At 299 px that gives the paper's 149 x 149 windows, and
    at any size as many as the first convolution (3 x 3, stride 2) of the other trunk has positions, each half a pixel
    beside one, so that the maps of both trunks can be mixed. It computes in float32 even under autocast.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F  # noqa: N812 - torch's own habit

    class LFS(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dct: Tensor
            self.base: Tensor
            self.luma: Tensor
            self.register_buffer("dct", dct_matrix(WINDOW).float(), persistent=False)
            self.register_buffer("base", diagonal_bands(WINDOW, (1,) * BANDS), persistent=False)
            luma = 255 * torch.tensor([0.299, 0.587, 0.114])
            self.register_buffer("luma", luma.view(1, 3, 1, 1), persistent=False)
            # Not zero: outside its band a filter is only its learnable part, and |x| has no gradient at 0.
            self.learnable = nn.Parameter(torch.randn(BANDS, WINDOW, WINDOW) * 1e-3)

        def forward(self, faces: Tensor) -> Tensor:
            with torch.autocast(faces.device.type, enabled=False):
                grey = F.pad((faces.to(self.dct.dtype) * self.luma).sum(1, keepdim=True), (3, 4, 3, 4), mode="reflect")
                columns = F.conv2d(grey, self.dct.view(WINDOW, 1, WINDOW, 1), stride=(STRIDE, 1))
                rows = self.dct.repeat(WINDOW, 1).view(WINDOW**2, 1, 1, WINDOW)
                spectra = F.conv2d(columns, rows, stride=(1, STRIDE), groups=WINDOW)  # channel 10 i + j
                # |D * h| is |D| * |h|, so filtering and summing all windows is one product with |h|.
                filters = (self.base + squash(self.learnable)).abs().view(BANDS, WINDOW**2, 1, 1)
                return torch.log10(1 + F.conv2d(spectra.abs(), filters))

    return LFS()


def _mix_block(channels: int) -> nn.Module:
    """MixBlock (section 3.3): adds each stream's attended maps (n, channels, h, h) to the other stream.

    For each channel, attention = softmax(Q_fad K_fad^T + Q_lfs K_lfs^T), the product of the streams' concatenated
    queries and keys. The gates are squashed and start at 0, so at first both streams are unchanged. They follow the
    normalisation, unlike in public re-implementations, where normalisation cancels them.
    """
    import torch
    from torch import nn

    class MixBlock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fad_query, self.fad_key, self.lfs_query, self.lfs_key = (
                nn.Conv2d(channels, channels, 1) for _ in range(4)
            )
            self.to_fad, self.to_lfs = (
                nn.Sequential(nn.Conv2d(channels, channels, 1, groups=channels), nn.BatchNorm2d(channels))
                for _ in range(2)
            )
            self.fad_gate = nn.Parameter(torch.zeros(1))
            self.lfs_gate = nn.Parameter(torch.zeros(1))

        def forward(self, fad: Tensor, lfs: Tensor) -> tuple[Tensor, Tensor]:
            pairs = ((self.fad_query(fad), self.fad_key(fad)), (self.lfs_query(lfs), self.lfs_key(lfs)))
            with torch.autocast(fad.device.type, enabled=False):  # a sum of products can exceed float16's range
                dtype = self.fad_gate.dtype
                (q_fad, k_fad), (q_lfs, k_lfs) = ((q.to(dtype), k.to(dtype).transpose(2, 3)) for q, k in pairs)
                attention = (q_fad @ k_fad + q_lfs @ k_lfs).softmax(-1)
            attention = attention.to(fad.dtype)
            return (
                fad + squash(self.fad_gate) * self.to_fad(lfs * attention),
                lfs + squash(self.lfs_gate) * self.to_lfs(fad * attention),
            )

    return MixBlock()


def _tiny_trunk(channels: int, width: int) -> nn.Module:
    """Build separable convolutions under the names of Xception's modules, so that STAGES fits both."""
    from torch import nn

    def separable(a: int, b: int, stride: int) -> nn.Module:
        depthwise = nn.Conv2d(a, a, 3, stride, padding=1, groups=a, bias=False)
        return nn.Sequential(depthwise, nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))

    trunk = nn.Module()
    trunk.num_features = 8 * width  # type: ignore[assignment] # a number, as in timm's networks
    layers = {
        "conv1": nn.Conv2d(channels, width, 3, 2, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "act1": nn.ReLU(inplace=True),
        "block1": separable(width, 2 * width, 2),
        "block2": separable(2 * width, 4 * width, 2),
        "block7": separable(4 * width, 4 * width, 1),
        "block12": separable(4 * width, 8 * width, 2),
        "conv4": separable(8 * width, 8 * width, 1),
        "global_pool": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    }
    for name, layer in layers.items():
        trunk.add_module(name, layer)
    return trunk


def _network(
    name: str, mode: str, size: int, trunk: Callable[[int], nn.Module], channels: tuple[int, int]
) -> nn.Module:
    """Build heads, trunks and MixBlocks of one mode; `channels` are those of the trunk at the MixBlocks."""
    import math

    from torch import cat, nn

    if size < 32:
        raise KCEError(f"backbone {name}: size={size} is too small", "size is the side in pixels, 32 or more")

    def run(trunk: nn.Module, stage: int, x: Tensor) -> Tensor:
        for part in STAGES[stage]:
            if hasattr(trunk, part):
                x = getattr(trunk, part)(x)
        return x

    class F3Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size = size
            if mode != "lfs":
                self.fad = _fad(size)
                self.fad_trunk = trunk(3 * len(FAD_SHARES))
            if mode != "fad":
                self.lfs = _lfs()
                self.lfs_trunk = trunk(BANDS)
                # The sliding window has halved the sides already.
                first: Any = self.lfs_trunk.conv1
                first.stride, first.padding = (1, 1), (1, 1)
            if mode == "mix":
                self.mix = nn.ModuleList(_mix_block(c) for c in channels)
            trunks: list[Any] = [part for name, part in self.named_children() if name.endswith("_trunk")]
            self.dim = sum(int(part.num_features) for part in trunks)

        def forward(self, faces: Tensor) -> Tensor:
            streams: list[tuple[nn.Module, Tensor]] = []
            # Both trunks get the range that Xception expects, [-1, 1]: FAD splits the picture in that range (the shift
            # is constant, so it is in the low band), and LFS's [0, log10(1 + LFS_MAX)] is mapped to it.
            if mode != "lfs":
                streams.append((self.fad_trunk, self.fad(2 * faces - 1)))
            if mode != "fad":
                streams.append((self.lfs_trunk, self.lfs(faces) * (2 / math.log10(1 + LFS_MAX)) - 1))
            trunks, maps = zip(*streams, strict=True)
            for stage in range(3):
                maps = tuple(run(t, stage, x) for t, x in zip(trunks, maps, strict=True))
                if mode == "mix" and stage < 2:
                    maps = self.mix[stage](*maps)
            return cat(maps, dim=1)

    return F3Net()


@hookimpl
def kce_backbones() -> dict[str, Any]:
    return {
        "f3net": f3net,
        "f3net-both": f3net_both,
        "f3net-fad": f3net_fad,
        "f3net-lfs": f3net_lfs,
        "f3net-tiny": f3net_tiny,
    }
