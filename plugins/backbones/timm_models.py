"""Backbones from timm: the paper's Xception and ResNets by short names, and every other timm model by its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def xception(size: int = 299, weights: str = "none") -> nn.Module:
    """Xception, the paper's main extractor: 2048 features after ReLU and global pooling (timm `legacy_xception`).

    size     side of the faces in pixels; the whole face is resized, without a centre crop
    weights  "none", "pretrained" (timm downloads ImageNet weights), or a local .safetensors / .pth file
    """
    return _network("legacy_xception", size, weights)


def resnet18(size: int = 224, weights: str = "none") -> nn.Module:
    """ResNet-18: 512 features from global pooling. Parameters as for `xception`."""
    return _network("resnet18", size, weights)


def resnet34(size: int = 224, weights: str = "none") -> nn.Module:
    """ResNet-34: 512 features from global pooling. Parameters as for `xception`."""
    return _network("resnet34", size, weights)


def resnet50(size: int = 224, weights: str = "none") -> nn.Module:
    """ResNet-50: 2048 features from global pooling. Parameters as for `xception`."""
    return _network("resnet50", size, weights)


def any_timm(model: str, size: int = 0, weights: str = "none") -> nn.Module:
    """Any model of timm by its name there: `timm:model=mobilenetv3_small_050`.

    model    timm's name, see `timm.list_models()`
    size     side of the faces in pixels; 0 = the model's own input size
    weights  "none", "pretrained" (timm downloads them), or a local .safetensors / .pth file
    """
    return _network(model, size, weights)


def _network(model: str, size: int, weights: str) -> nn.Module:
    import timm
    import torch
    from torch import nn

    if not timm.is_model(model):
        near = timm.list_models(f"*{model.split('.', maxsplit=1)[0]}*")[:5]
        raise KCEError(
            f"timm has no model {model!r}", f"it has, for example: {', '.join(near or timm.list_models()[:5])}"
        )
    own = _create(timm, model, pretrained=weights == "pretrained")
    config = own.pretrained_cfg
    if size < 0 or 0 < size < 32:
        raise KCEError(f"backbone {model}: size={size} is too small", "size is the side in pixels, 32 or more")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size = size or int(config["input_size"][-1])
            self.net = own
            self.mean: Tensor
            self.std: Tensor
            for name in ("mean", "std"):
                self.register_buffer(name, torch.tensor(config[name]).view(1, 3, 1, 1), persistent=False)
            self.dim = self._probe()

        def _probe(self) -> int:
            # timm's num_features is not the length of the pooled feature for every model.
            self.eval()
            with torch.no_grad():
                out = self(torch.zeros(1, 3, self.size, self.size))
            self.train()
            if out.ndim != 2:
                raise KCEError(f"timm model {model!r} gives features of shape {tuple(out.shape)}", "choose another")
            return int(out.shape[1])

        def forward(self, faces: Tensor) -> Tensor:
            # In place: with a second new tensor it took 0.48 ms a face at 224 px instead of 0.11.
            features: Tensor = self.net((faces - self.mean).div_(self.std))
            return features

    if weights not in ("none", "pretrained"):
        load_weights(own, weights)
    return Network()


def _create(timm: Any, model: str, *, pretrained: bool) -> Any:
    if pretrained:
        config = timm.get_pretrained_cfg(model)
        if not (config and config.has_weights):  # timm itself would only log it, and start from random numbers
            raise KCEError(f"no pretrained weights of {model} are published", "take another model, or weights=none")
        # Without a network the hub's client retries for most of a minute: say first what it is about.
        message = f"kce: fetching the pretrained weights of {model}, unless they are here"
        print(f"{message} (never, with HF_HUB_OFFLINE=1)", file=sys.stderr)  # noqa: T201
    try:
        return timm.create_model(model, pretrained=pretrained, num_classes=0)
    except Exception as error:
        if not pretrained:
            raise
        raise KCEError(
            f"the pretrained weights of {model} cannot be had: {type(error).__name__}: {error}".splitlines()[0],
            f"without a network give a local file, as in {model}:weights=FILE.safetensors, or weights=none",
        ) from error


@hookimpl
def kce_backbones() -> dict[str, Any]:
    return {"xception": xception, "resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50, "timm": any_timm}
