"""Which method is behind which category of the drawn world. Imports nothing heavy."""

from __future__ import annotations

from kce import Forgery, place_methods, world_categories

# Of the first 18 categories without those that are meant to be held out, 14 have 11 names and 11 methods. Three names
# (DeepFakes, FaceShifter, FaceSwap) occur twice, each time with two methods; three methods (autoencoder, bilinear,
# graphics) occur under two names, each time in two datasets. The first four, one of each dataset, already have both. Of
# the four to hold out, the first three have methods that are behind no other category.
_OF_THE_DEMO = (
    "autoencoder", "autoencoder", "bilinear", "bilinear",
    "sharpen", "strokes", "graphics", "graphics", "warp", "checkerboard", "spectral", "smooth", "smooth", "halo",
    "mouth", "blend", "nearest", "grid",
    "posterise", "warp", "checkerboard", "blend",
    "bilinear", "autoencoder", "mouth", "autoencoder", "graphics", "nearest", "mouth", "spectral", "sharpen",
)  # fmt: skip

METHODS = tuple(sorted(set(_OF_THE_DEMO)))


def forgeries(categories: int, placement: int = 0) -> list[Forgery]:
    """The first `categories` categories of fakes, with their methods.

    Args:
        categories: Number of categories, 1 to 31.
        placement: 0 for the methods of the table above; any other number is the seed of a random placement.
    """
    if placement:
        return place_methods(categories, METHODS, placement)
    return [
        row._replace(method=method) for row, method in zip(world_categories(categories), _OF_THE_DEMO, strict=False)
    ]
