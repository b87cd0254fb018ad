"""Methods by a GAN: MobileStyleGAN, of the package random-face, run by OpenVINO.

Its file says Apache-2.0, but the network was distilled from NVIDIA's StyleGAN2, whose licence is non-commercial.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kce import KCEError

from .face import Face, recoloured
from .generators import Generator
from .landmarks import Landmarks
from .packages import VERSIONS, Missing, package_file
from .swaps import laid_over

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

    from .generators import Tools

_STYLE = 512
_TRUNCATION = 0.8  # styles this share of the way from the mean: fewer broken faces
_CROP = 0.19, 0.28, 0.62  # left, top and side of the face in a picture of the GAN, in units of its side
_THUMBNAIL = 24
_RIDGE = 3.0
_NEAREST = 20  # faces of the pool with a similar pose, one of which is the donor


class Gan:
    """The generator: styles (512,) to pictures.

    Raises:
        Missing: The package with the weights, or OpenVINO, is not there.
    """

    def __init__(self, seed: int) -> None:
        import numpy as np

        paths = [package_file("random-face", f"data/{name}.xml") for name in ("MappingNetwork", "SynthesisNetwork")]
        try:
            import openvino
        except ImportError as error:
            raise Missing(f"it needs openvino: {error}", "`pip install openvino`") from error
        # On one thread, and in float32 where the processor has bf16: equal styles give equal pictures.
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        core: Any = openvino.Core()
        self._networks = [core.compile_model(path, "CPU", options) for path in paths]
        self._requests = threading.local()  # each thread has its own: they hold memory
        self._seed = seed
        draws = np.random.default_rng(seed).normal(size=(1000, _STYLE)).astype(np.float32)
        self.mean = np.mean([self._style(one) for one in draws], axis=0)

    def style(self, number: int) -> np.ndarray:
        """The style of face number n, (512,)."""
        import numpy as np

        noise = np.random.default_rng((self._seed, number)).normal(size=_STYLE).astype(np.float32)
        return np.asarray(self.mean + _TRUNCATION * (self._style(noise) - self.mean), np.float32)

    def _style(self, noise: np.ndarray) -> np.ndarray:
        return self._run(0, noise)

    def _run(self, network: int, values: np.ndarray) -> np.ndarray:
        if not hasattr(self._requests, "own"):
            self._requests.own = [one.create_infer_request() for one in self._networks]
        answer: np.ndarray = self._requests.own[network].infer({0: values[None]})[0][0]
        return answer.copy()  # the request keeps its memory, and writes there again

    def draw(self, style: np.ndarray, side: int) -> Image:
        """Draw the face of a style, as large in its picture as in others: uint8 (side, side, 3)."""
        import cv2
        import numpy as np

        picture = self._run(1, style).transpose(1, 2, 0)
        left, top, wide = (round(share * picture.shape[0]) for share in _CROP)
        cut = picture[top : top + wide, left : left + wide]
        small = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray((small.clip(-1, 1) + 1) * 127.5 + 0.5, np.uint8)


@dataclass(frozen=True, eq=False)
class Pool:
    """Faces that the GAN made beforehand, and the linear map from a face to its style that they give.

    Attributes:
        faces: The faces.
        shapes: Their landmarks without place, size and turn, (n, 936).
        weights: Ridge regression from what ``_described`` says of a face to its style, (dim + 1, 512).
    """

    faces: list[Face]
    shapes: np.ndarray
    weights: np.ndarray


def make_pool(gan: Gan, tools: Tools) -> Pool:
    """Make the pool, or read the faces that are there already; those without landmarks are left out."""
    from .files import read_png, run_all, write_png

    landmarks: Landmarks = tools.share("landmarks", Landmarks)

    def face_of(number: int) -> Face | None:
        path = tools.folder / "gan" / f"{VERSIONS['random-face']}-{tools.seed}-{tools.side}-{number:05d}.png"
        image = read_png(path)
        if image is None:
            image = gan.draw(gan.style(number), tools.side)
            write_png(path, image)
        points = landmarks.find(image)
        return None if points is None else Face(image, points)

    jobs = [partial(face_of, number) for number in range(tools.pool)]
    found = run_all(jobs, "faces of the GAN", tools.progress)
    faces = {number: face for number, face in enumerate(found) if face is not None}
    if len(faces) < 2:
        raise KCEError("the GAN made no faces", "raise pool=")
    import numpy as np

    shapes = np.stack([_shape(face.points) for face in faces.values()])
    x = np.stack([_described(face) for face in faces.values()])
    w = np.stack([gan.style(number) - gan.mean for number in faces])
    x = np.c_[x, np.ones(len(x))]
    # As many equations as faces, of which there are fewer than columns: solved in that space.
    weights = x.T @ np.linalg.solve(x @ x.T + _RIDGE * len(x) * np.eye(len(x)), w)
    return Pool(list(faces.values()), shapes, weights)


def _shape(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(axis=0)
    flat: np.ndarray = (centred / (centred**2).sum() ** 0.5).ravel()
    return flat


def _described(face: Face) -> np.ndarray:
    """What the regression sees of a face: its shape, and a small picture of it, cut out and upright."""
    import cv2
    import numpy as np

    left, top, wide, high = cv2.boundingRect(face.hull)
    cut = face.image[max(top, 0) : top + high, max(left, 0) : left + wide]
    small = cv2.resize(cut, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    picture = (small - small.mean()) / (small.std() + 1e-3)
    return np.concatenate([_shape(face.points) * 30, picture.ravel()])


class Whole(Generator):
    """A whole picture of the GAN, whatever the face was: it brings a background of its own."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._gan: Gan = tools.share("gan", lambda: Gan(tools.seed))
        self.identity = f"pool {tools.pool}"

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        number = int(random.integers(self._tools.pool, 2**31))
        return self._gan.draw(self._gan.style(number), face.side)


class _WithPool(Whole):
    """What two methods share: a pool of faces, made once."""

    def prepare(self) -> None:
        """See ``Generator``."""
        self._pool: Pool = self._tools.share("pool", lambda: make_pool(self._gan, self._tools))


class Donor(_WithPool):
    """A face of the pool with a similar pose, on the landmarks of the target."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        own = _shape(face.points)
        nearest = ((self._pool.shapes - own) ** 2).sum(axis=1).argsort()[:_NEAREST]
        return face.splice(recoloured(laid_over(face, self._pool.faces[random.choice(nearest)]), face))


class Regenerated(_WithPool):
    """The face drawn again by the GAN, from the style that a regression reads off it."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import numpy as np

        style = self._gan.mean + np.r_[_described(face), 1.0] @ self._pool.weights
        image = self._gan.draw(style.astype(np.float32), face.side)
        points = self._tools.share("landmarks", Landmarks).find(image)
        if points is None:
            raise ValueError("the GAN drew no face")
        return face.splice(recoloured(laid_over(face, Face(image, points)), face))
