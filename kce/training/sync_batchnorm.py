"""Batch normalisation with statistics over all processes, so that a training does not depend on their number."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def with_sync_batchnorm(network: nn.Module, fabric: Fabric) -> nn.Module:
    """Replace batch normalisation by one over all processes; names of parameters stay.

    On the GPU this is torch's SyncBatchNorm, which does not run on the CPU. Subclasses of batch normalisation that do
    more (timm's, which include an activation) are not replaced: they use each process's own statistics, and a warning
    is logged.

    Args:
        network: Modified in place.
        fabric: Fabric of this process; with one process nothing is changed.

    Returns:
        The network.
    """
    if fabric.world_size == 1:
        return network
    left = [name for name, module in network.named_modules() if isinstance(module, _BatchNorm) and not _plain(module)]
    if left and fabric.global_rank == 0:
        logging.getLogger("kce.training.train").warning(
            "%d layers (%s ...) keep batch statistics of each process: results depend on the number of devices",
            len(left),
            left[0],
        )
    return _converted(network, nn.SyncBatchNorm if fabric.device.type == "cuda" else CPUSyncBatchNorm)


_BatchNorm = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - torch has no public name for them all


def _plain(module: nn.Module) -> bool:
    return type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _converted(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    if _plain(module):
        new = kind(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
        new.__dict__.update({name: module.__dict__[name] for name in ("_parameters", "_buffers", "training")})
        return new
    for name, child in module.named_children():
        setattr(module, name, _converted(child, kind))
    return module


class _Sum(torch.autograd.Function):
    """Sums values over all processes; so does its backward pass with their gradients."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:  # noqa: ARG004 - the backward pass needs nothing
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _Sum.forward(ctx, gradient)


def _summed(values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Sum.apply(values)
    return total


class CPUSyncBatchNorm(_BatchNorm):
    """Batch normalisation over all processes, on any device that supports all_reduce."""

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002 - the name is torch's
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 axes, got {input.dim()}")

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Normalise (n, channels, ...), in training mode with the statistics of all processes."""
        if not self.training:
            output: torch.Tensor = super().forward(input)
            return output
        self._check_input_dim(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        x = input.float()
        count = x.numel() / x.shape[1]
        sums = _summed(torch.cat([x.sum(axes), x.new_full((1,), count)]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = x - mean.view(shape)
        variance = _summed((centred * centred).sum(axes)) / total
        if self.track_running_stats:
            self._update_running_stats(mean.detach(), variance.detach() * (total / (total - 1)))
        output = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            output = output * self.weight.view(shape) + self.bias.view(shape)
        return output.to(input.dtype)

    @torch.no_grad()
    def _update_running_stats(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.num_batches_tracked is not None  # noqa: S101 - for the type checker
        assert self.running_mean is not None  # noqa: S101
        assert self.running_var is not None  # noqa: S101
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)
