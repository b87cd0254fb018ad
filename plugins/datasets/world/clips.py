"""Which clips the datasets of a drawn world have, and their frames. Every frame depends on the parameters alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kce import Forgery, Recording

from .forge import forge
from .people import Person, person, rng, scene
from .render import Face, draw

if TYPE_CHECKING:
    from kce import Image


def recordings(dataset: str, identities: int, clips: int) -> list[Recording]:
    """List the clips of a dataset; people are the same in every dataset, so that only storage distinguishes them."""
    if dataset == "FaceForensics++":
        # Two clips swap faces with each other, so reals come in pairs, and so do people.
        couples = identities // 2
        return [
            Recording(i, i // 2 % couples * 2 + i % 2, i // 2 % couples * 2 + (i + 1) % 2, 0, i ^ 1, i < clips)
            for i in range(clips + clips % 2)
        ]
    listed = []
    for i in range(clips):
        target, take = i % identities, i // identities
        donor = (target + 1 + take % (identities - 1)) % identities
        listed.append(Recording(i, target, donor, take, donor))
    if dataset == "CelebDFv2":
        listed += [Recording(clips + i, None, take=i, forged=False) for i in range(-(-clips // 5))]
    return listed


def pictures(
    seed: int, frames: int, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
) -> Iterator[tuple[Forgery | None, list[Image]]]:
    """Draw the frames of a clip, and forge them by each method."""
    number, target = recording.number, recording.target
    shown = person(seed, "stranger", recording.take) if target is None else person(seed, target)
    clip = _clip(seed, dataset, number, shown, frames)
    yield None, [image for image, _ in clip]
    if forgeries:
        # Drawing those of donors again is cheaper than keeping all.
        donor = _clip(seed, dataset, recording.partner, person(seed, recording.donor), 1)[0]
        for forgery in forgeries:
            strength = (seed, forgery.category, number)
            yield forgery, [forge(forgery.method, image, face, donor, rng(*strength)) for image, face in clip]


def _clip(seed: int, dataset: str, number: int, shown: Person, frames: int) -> list[tuple[Image, Face]]:
    """The first frames of a clip of a person."""
    shown_in = scene(seed, number)
    return [draw(shown, shown_in, t, seed, dataset, number) for t in range(frames)]
