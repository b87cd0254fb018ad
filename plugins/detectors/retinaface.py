"""RetinaFace with a ResNet-50, from the package retina-face: the detector of Sun et al. 2023."""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import Box, KCEError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from kce import Image

FILE = "retinaface.onnx"
# retina-face reads these when it is imported. Without them it would use torch where it is installed, and log to
# standard output, which belongs to the results.
_ENVIRONMENT = {"DEEPFACE_BACKEND_ENGINE": "onnx", "RETINAFACE_LOG_LEVEL": "40"}


class RetinaFace:
    """RetinaFace (package retina-face, ResNet-50, with onnxruntime): the face detector of Sun et al. 2023.

    Its weights, a file of 118 MB, are not part of any package, and KCE never downloads them; whether they may be used
    commercially is unclear.

    Args:
        weights: Path of the weights; empty = $DEEPFACE_HOME/.deepface/weights/retinaface.onnx, where DEEPFACE_HOME is
            by default the home folder.
        threshold: Minimum score of a face, in (0, 1].
        long_side: Larger pictures are shrunk to this many pixels first.

    Raises:
        KCEError: The weights are missing or damaged, or a package is missing.
        ValueError: A parameter is out of range.

    Source: Deng et al. 2020, RetinaFace: Single-shot Multi-level Face Localisation in the Wild, CVPR.
    github.com/serengil/retinaface
    """

    def __init__(self, *, weights: str = "", threshold: float = 0.9, long_side: int = 1024) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must be in (0, 1], not {threshold}")
        if long_side < 32:
            raise ValueError(f"long_side must be at least 32, not {long_side}")
        self.threshold = threshold
        self.long_side = long_side
        path = _weights(weights)
        with _quietly():
            self._package = _package()
            self._model = _model(path)

    def detect(self, image: Image) -> list[Box]:
        """Find the faces of a picture, uint8 (height, width, 3) RGB; boxes are in its pixels, scores in [0, 1]."""
        import cv2

        height, width = image.shape[:2]
        scale = min(1.0, self.long_side / max(height, width))
        small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if scale < 1:
            bgr = cv2.resize(bgr, (small_width, small_height), interpolation=cv2.INTER_AREA)
        # By default it enlarges every picture to a short side of 1024, which takes ten times as long.
        faces = self._package.detect_faces(bgr, threshold=self.threshold, model=self._model, allow_upscaling=False)
        across, down = width / small_width, height / small_height
        boxes = []
        for face in faces.values():
            left, top, right, bottom = (float(edge) for edge in face["facial_area"])  # right and bottom inclusive
            box = Box(left * across, top * down, (right + 1) * across, (bottom + 1) * down, float(face["score"]))
            if math.isfinite(box.area) and box.width > 0 and box.height > 0:
                boxes.append(box)
        return boxes


def _weights(given: str) -> Path:
    """The file of the weights; it must exist, so that the package does not download it."""
    home = Path(os.environ.get("DEEPFACE_HOME") or Path.home())
    path = Path(given).expanduser() if given else home / ".deepface" / "weights" / FILE
    if path.is_file():
        return path
    fetch = "DEEPFACE_BACKEND_ENGINE=onnx python -c 'from retinaface import RetinaFace; RetinaFace.build_model()'"
    raise KCEError(
        f"the detector retinaface has no weights: there is no file {path}",
        f"put {FILE} (118 MB, of the package retina-face) there, or set its path: "
        f'`retinaface:weights="PATH"`. With a network, `{fetch}` downloads it. '
        "The detector yunet needs no download",
    )


def _package() -> Any:
    try:
        package = import_module("retinaface.RetinaFace")
        from retinaface.commons import backend_utils
    except ImportError as error:
        raise KCEError(
            f"the detector retinaface cannot be loaded: {error}", "`pip install retina-face onnxruntime`"
        ) from error
    if not backend_utils.is_onnx():
        raise KCEError(
            f"the package retina-face was already loaded with {backend_utils.get_backend_engine()}",
            "set DEEPFACE_BACKEND_ENGINE=onnx before the program starts",
        )
    return package


def _model(path: Path) -> Any:
    import onnxruntime
    from retinaface.model.retinaface_onnx_model import RetinaFace as Model

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)  # 0: as many as there are cores
    usable = [
        p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in onnxruntime.get_available_providers()
    ]
    try:
        model = Model(onnxruntime.InferenceSession(str(path), sess_options=options, providers=usable))
    except Exception as error:  # onnxruntime's errors share no base
        raise KCEError(f"{path} cannot be loaded: {_first_line(error)}", f"get {FILE} (118 MB) again") from error
    if len(model.output_names) != 9:
        raise KCEError(
            f"{path} is another network: {len(model.output_names)} outputs instead of 9", f"get {FILE} of retina-face"
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Contain the import of the package, which turns off all warnings and prints to standard output."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@hookimpl
def kce_detectors() -> dict[str, Callable[..., RetinaFace]]:
    """The detector of the paper."""
    return {"retinaface": RetinaFace}
