"""The dataset `photos`: photographs of people, forged by known methods, in the layouts of real datasets."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kce import (
    Artefact,
    Forgery,
    KCEError,
    Recording,
    Remark,
    Sample,
    WorldDataset,
    alter_pictures,
    assign_artefacts,
    place_methods,
    world_categories,
)

from .files import digest, seeded
from .find import apart
from .generators import WHOLE, Tools, generator_classes

if TYPE_CHECKING:
    from kce import Image

    from .files import Progress
    from .find import Couple, FoundFace
    from .forging import Forged
    from .generators import Generator
    from .packages import Missing

_log = logging.getLogger("kce.photos")
PEOPLE = ("shared", "apart")
_APART = 4  # datasets that people are divided among: those that every world has
FACES_AT_MOST = 998  # FaceForensics++ numbers recordings with three digits


class Photos(WorldDataset):
    """Photographs of people, forged by known methods and networks, in the layouts of real datasets.

    Every face is forged by every method, so the pictures of all methods show the same people. The pictures are
    made once, beside the photographs or in `made`, and serve every placement: the worlds that are made of them differ
    in which method is behind which name, and in how their datasets are stored. ``truth.toml`` in a world has the method
    behind each category. Names and layouts are those of the built-in ``world``; DeepFakeDetection is a plain folder of
    pictures. Four of the default categories are meant to be held out: FaceForensics++_NeuralTextures,
    ForgeryNet_SC-FEGAN, ForgeryNet_StarGAN2 and ForgeryNet_DiscoFaceGAN.

    The first folder below the root is taken for the camera. People are known by the folder below that
    (london/anna/1.jpg), or else by what comes before the first "_" in the name of a file (london/anna_1.jpg). Donors
    are of the same camera. Each face of a picture of several people is taken for a person of its own.

    Args:
        root: A folder of photographs of people who agreed to it.
        made: The folder for everything that is made; empty = a folder beside the root, with "-forged" after its name.
        vae: The folder with the weights of the tiny autoencoder, ``taef2_encoder.pth`` and ``taef2_decoder.pth``; empty
            = the folder ``vae`` in the root.
        seed: Seed of all random choices, and of the strength of each forgery.
        placement: Seed of which methods are behind which names.
        categories: Number of categories of fakes, 4 to 31; the datasets have reals besides.
        faces: Number of faces, at most, 2 to 998.
        side: Width and height of the pictures in pixels, a multiple of 8; a face takes about 80 % of it.
        methods: Names of methods, with "+" between them; empty = all that are installed.
        people: "apart": people are divided among the first four datasets, camera after camera; further datasets have
            all. "shared": every dataset has all people. Then what one method makes is the same picture in each dataset
            that has it, and only storage keeps them apart: whatever measures pictures finds the truth where datasets
            are stored alike.
        kind: How the datasets are stored: "uniform", a kind of artefact that they have by different amounts, or
            "mixed".
        amount: Artefact strength, 0 to 1.
        pool: Number of faces that the GAN makes beforehand, as donors, and to learn how to draw a face again.
        detector: The component that finds faces.

    Raises:
        KCEError: A parameter is out of range; there are no photographs, no faces or fewer than two people; or there are
            fewer methods than a dataset has categories.
    """

    name = "photos"
    version = 1
    plain = ("DeepFakeDetection", *WorldDataset.plain)
    known_faults: ClassVar = {"labels": "its samples belong to the datasets that it contains"}

    def __init__(
        self,
        root: str | Path,
        made: str = "",
        vae: str = "",
        seed: int = 0,
        placement: int = 0,
        categories: int = 18,
        faces: int = FACES_AT_MOST,
        side: int = 192,
        methods: str = "",
        people: str = "apart",
        kind: str = "uniform",
        amount: float = 0.0,
        pool: int = 500,
        detector: str = "yunet",
    ) -> None:
        _within("seed", seed, 0, 2**31 - 1)
        _within("placement", placement, 0, 2**31 - 1)
        _within("categories", categories, 4, 31)
        _within("faces", faces, 2, FACES_AT_MOST)
        _within("pool", pool, 2, 100_000)
        if _within("side", side, 64, 1024) % 8:
            raise KCEError(f"side = {side} is not a multiple of 8", "the VAE works on blocks of 8 pixels")
        if people not in PEOPLE:
            raise KCEError(f"people = {people!r} is unknown", f"choose one of {', '.join(PEOPLE)}")
        if (kind == "uniform") != (amount == 0):
            raise KCEError(f"{kind} and the amount {amount:g} contradict each other", "give both, or neither")
        if kind != "uniform":
            assign_artefacts(["A"], kind, amount, seed)  # raises for what does not exist
        self._photographs = Path(root)
        names = sorted(set(methods.split("+")) if methods else generator_classes())
        beside = self._photographs.absolute()
        folder = Path(made) if made else beside.with_name(f"{beside.name}-forged")
        if folder.resolve().is_relative_to(beside.resolve()):
            raise KCEError(
                f"made = {folder} is in the folder of the photographs", "what is made would be taken for photographs"
            )
        self._tools = Tools(folder, Path(vae) if vae else self._photographs / "vae", side, seed, pool)
        self._names, self._limit, self._detector = names, faces, detector
        self._people, self._storage = people, (kind, amount)
        self._of: dict[str, list[tuple[FoundFace, FoundFace]]] = {}
        self._artefacts: dict[str, Artefact] = {}
        self._forged: Forged | None = None
        self._generators: tuple[dict[str, Generator], dict[str, Missing]] | None = None
        super().__init__(folder, (), {"placement": placement, "categories": categories}, seed)
        self._world = placement, categories

    def forge(self, progress: Progress = lambda *_: None) -> Forged:
        """Forge all faces by all methods, unless it is done. Interrupted, it goes on where it stopped.

        Raises:
            KCEError: As for the class.
        """
        if self._forged is None:
            from .forging import forge_all

            self._tools.progress = progress
            generators, missing = self._built()
            with self.alone(self._tools.folder):
                forged = forge_all(
                    self._photographs, self._tools, generators, missing, self._limit, self._detector, self._divided
                )
            self._place(forged)
            self._forged = forged
        return self._forged

    @property
    def _divided(self) -> int:
        """Datasets that people are divided among."""
        return _APART if self._people == "apart" else 1

    def _place(self, forged: Forged) -> None:
        """Decide what the world is made of, now that it is known which faces there are."""
        from .forging import check_people

        placement, categories = self._world
        check_people(forged.couples, self._divided)
        pairs = [pair for couple in forged.couples for pair in couple]
        kind, amount = self._storage
        self._parameters = {
            "seed": self.seed,
            "placement": placement,
            "categories": categories,
            "methods": list(forged.methods),
            "faces": 2 * len(pairs),
            "people": self._people,
            "kind": kind,
            "amount": float(amount),
            "pictures": digest(forged.identities, [face.key for pair in pairs for face in pair]),
        }
        name = digest(self._parameters, self.truth())
        datasets = list(dict.fromkeys(forgery.dataset for forgery in self.forgeries))
        self._artefacts = {} if kind == "uniform" else assign_artefacts(datasets, kind, amount, placement)
        self.root = forged.folder / "worlds" / f"{placement}-{kind}-{self._people}-{name}"

    def _built(self) -> tuple[dict[str, Generator], dict[str, Missing]]:
        """Build the methods that are there, and decide which of them is behind which name."""
        if self._generators is None:
            from .find import list_pictures
            from .generators import build_generators
            from .landmarks import Landmarks

            list_pictures(self._photographs)  # before networks are loaded for nothing
            self._tools.share("landmarks", Landmarks)  # without which there is no face, whatever the method
            generators, missing = build_generators(self._names, self._tools)
            for name, error in missing.items():
                _warn_once(f"the method {name} is left out: {error.message} ({error.hint})")
            placement, categories = self._world
            usable = [name for name in generators if name not in WHOLE]
            self._check_enough(usable, categories, missing)
            whole = [name for name in generators if name in WHOLE]
            self.forgeries = tuple(place_methods(categories, usable, placement, whole))
            self._generators = generators, missing
        return self._generators

    @staticmethod
    def _check_enough(usable: Sequence[str], categories: int, missing: Mapping[str, Missing]) -> None:
        from collections import Counter

        for enough in range(categories, 3, -1):
            if max(Counter(row.dataset for row in world_categories(enough)).values()) <= len(usable):
                break
        else:
            enough = 0
        if enough < categories:
            why = "; ".join(f"{name}: {error.message} ({error.hint})" for name, error in missing.items())
            raise KCEError(
                f"{categories} categories need more methods than {len(usable)}: a dataset would have one twice",
                (f"choose categories={enough}, or " if enough else "")
                + (f"install what is missing: {why}" if why else "name more methods"),
            )

    def make(self, progress: Progress = lambda *_: None) -> None:
        """Forge all faces, and make the world, unless they exist."""
        self.forge(progress)
        super().make(progress)

    def truth(self) -> dict[str, str]:
        """Category -> method; the method of reals is "real". Loads the methods, and makes no pictures.

        Raises:
            KCEError: There are no photographs, or fewer methods than a dataset has categories.
        """
        self._built()
        return super().truth()

    @property
    def images(self) -> int:
        """Pictures of each category, about: before the faces are looked for, as if each photograph had one."""
        if self._forged is not None:
            faces = sum(2 * len(pairs) for pairs in self._forged.couples)
        else:
            from .find import list_pictures

            faces = min(len(list_pictures(self._photographs)), self._limit)
        return faces if self._people == "shared" else faces // _APART

    def __iter__(self) -> Iterator[Sample | Remark]:
        self.make()
        yield from super().__iter__()
        forged = self.forge()
        for name, why in forged.missing.items():
            yield Remark("ignored", f"methods/{name}", f"the method is left out: {why}")
        for one in forged.left_out:
            yield Remark("ignored", one.file, one.reason)

    def recordings(self, dataset: str) -> Sequence[Recording]:
        """See ``kce.WorldDataset``. Two people have neighbouring numbers, and so have their pictures."""
        listed: list[Recording] = []
        own = self._of[dataset] = []
        for couple, pairs in enumerate(self._couples(dataset)):
            for take, (one, other) in enumerate(pairs):
                number = len(listed)
                listed += [
                    Recording(number, 2 * couple, 2 * couple + 1, take, number + 1),
                    Recording(number + 1, 2 * couple + 1, 2 * couple, take, number),
                ]
                own += [(one, other), (other, one)]
        return listed

    def people(self, dataset: str) -> list[str]:
        """List who is in a dataset, as "camera/name"."""
        return sorted({face.person for pairs in self._couples(dataset) for pair in pairs for face in pair})

    def _couples(self, dataset: str) -> Sequence[Sequence[Couple]]:
        couples = self.forge().couples
        first = [forgery.dataset for forgery in world_categories(_APART)]
        if self._people == "shared" or dataset not in first:
            return couples
        groups = sorted(apart(couples), key=lambda group: group[0][0][0].camera)
        start, end = split_evenly([sum(map(len, group)) for group in groups], len(first))[first.index(dataset)]
        return [couple for group in groups[start:end] for couple in group]

    def pictures(
        self, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
    ) -> Iterator[tuple[Forgery | None, list[Image]]]:
        """See ``kce.WorldDataset``."""
        forged, (face, _) = self.forge(), self._of[dataset][recording.number]
        for forgery in (None, *forgeries):
            image = forged.read("real" if forgery is None else forgery.method, face)
            yield forgery, self._altered(dataset, face, image)

    def _altered(self, dataset: str, face: FoundFace, image: Image) -> list[Image]:
        if not self._artefacts:
            return [image]
        return alter_pictures([image], self._artefacts[dataset], seeded(f"{self.seed}/{dataset}/{face.key}"))


def split_evenly(sizes: Sequence[int], parts: int) -> list[tuple[int, int]]:
    """Split groups in their order into parts of about as many members, and at least one group each.

    Args:
        sizes: Members of each group.
        parts: Number of parts.

    Returns:
        For each part its first group, and the one after its last.

    >>> split_evenly([1, 1, 4, 2], 3)
    [(0, 2), (2, 3), (3, 4)]
    """
    whole, so_far, ends = sum(sizes), 0, [0]
    for number, size in enumerate(sizes, 1):
        so_far += size
        left = parts - len(ends)  # parts after the one that is being filled
        if left and (so_far * parts >= whole * len(ends) or len(sizes) - number == left):
            ends.append(number)
    return list(zip(ends, [*ends[1:], len(sizes)], strict=True))


@cache
def _warn_once(message: str) -> None:
    """Log a warning, unless this process did: a bench builds the dataset again for each of its worlds."""
    _log.warning("%s", message)


def _within(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise KCEError(f"{name} = {value!r} is out of range", f"{name} is a whole number from {low} to {high}")
    return value
