"""Encodes frames as H.264, alike on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from kce.types import Image


def encode_h264(to: str | IO[bytes], frames: Sequence[Image], crf: int) -> None:
    """Encode square frames as an MP4 of 25 frames a second; equal frames give equal bytes.

    Args:
        to: A path that ends in ``.mp4``, or a file to write to.
        frames: RGB uint8 (side, side, 3) each, of one even side.
        crf: The constant rate factor of x264; lower is better.
    """
    import av

    # With several threads, or a macroblock tree (on AVX-512), the result would differ from run to run.
    options = {"crf": str(crf), "preset": "medium", "x264-params": "mbtree=0"}
    with av.open(to, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))
