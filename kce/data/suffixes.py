"""The one list of media suffixes: what the decoders decode, and what else is a picture or a video.

Suffixes have their dot and are in lower case. They decide which files are looked at, and whether one is a picture or a
video; what is in it, the decoders find out. An animation (GIF, WebP, AVIF, APNG) is a picture: its first. A new format
needs its suffix here, a sample in ``tests/data/test_suffixes.py``, and a decoder in ``pictures`` or ``videos``.
"""

from __future__ import annotations

import os

# fmt: off
PICTURES = frozenset((
    ".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".hdr", ".j2c", ".j2k", ".jfif", ".jif", ".jp2", ".jpc",
    ".jpe", ".jpeg", ".jpf", ".jpg", ".jps", ".jpx", ".mpo", ".pam", ".pbm", ".pfm", ".pgm", ".pic", ".png",
    ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
))
"""Suffixes of the pictures that ``read_image`` decodes; AVIF needs an OpenCV that was built with it."""

VIDEOS = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".ivf", ".m2t", ".m2ts", ".m4v", ".mj2", ".mk3d",
    ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb",
    ".ts", ".vob", ".webm", ".wmv", ".xvid",
))
"""Suffixes of the videos that ``video_frames`` decodes."""

UNDECODED = frozenset((
    # pictures of phones, editors and scanners
    ".bpg", ".cur", ".dcm", ".dds", ".djvu", ".emf", ".eps", ".exr", ".fit", ".fits", ".flif", ".heic", ".heif",
    ".hif", ".icns", ".ico", ".jls", ".jph", ".jxl", ".jxr", ".pcx", ".psb", ".psd", ".qoi", ".rgb", ".rgba",
    ".sgi", ".svg", ".tga", ".wdp", ".wmf", ".xbm", ".xcf", ".xpm",
    # raw pictures of cameras
    ".3fr", ".ari", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".gpr", ".iiq", ".k25", ".kdc",
    ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
    # videos: streams without a container, animations, raw formats of cameras
    ".264", ".265", ".amv", ".av1", ".avc", ".bik", ".braw", ".crm", ".dav", ".dv", ".dvr-ms", ".flc", ".fli",
    ".gifv", ".h261", ".h263", ".h264", ".h265", ".hevc", ".m1v", ".m2v", ".mjpeg", ".mjpg", ".mng", ".mpv",
    ".nsv", ".nut", ".obu", ".r3d", ".swf", ".vc1", ".vp8", ".vp9", ".wtv", ".y4m", ".yuv",
))
"""Suffixes of pictures and videos that are not decoded: users are told which files were left out for them."""
# fmt: on


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of a video.

    Example:
        >>> is_video("real/0001.MP4"), is_video("real/0001.gif")
        (True, False)
    """
    return os.path.splitext(path)[1].lower() in VIDEOS  # noqa: PTH122 - asked a million times; a Path takes longer
