"""A synthetic dataset of a third party, and others that are no worlds."""

from __future__ import annotations

from pathlib import Path

PORTRAITS = '''
"""A synthetic dataset that makes one world for all placements, beside the pictures that it is given."""

from pathlib import Path

from kce import Registry, hookimpl


class Portraits:
    """Pictures below another folder than the root."""

    name = "portraits"

    def __init__(self, root: str | Path, placement: int = 0, images: int = 16, seed: int = 0) -> None:
        if not Path(root).is_dir():
            raise ValueError(f"{root} is no folder of photographs")
        self.root, self.placement, self.seed, self.images = Path(root), placement, seed, images
        # The same pictures for every placement; only the names of the methods change places.
        spec = f"world:identities=8,categories=6,images={images},artefact=0.0,seed={seed}"
        self._pictures = Registry.load("/").build("dataset", spec, root=self.root / "made")

    def __iter__(self):
        return iter(self._pictures)

    def truth(self):
        return {name: method if method == "real" else f"{method} {self.placement}"
                for name, method in self._pictures.truth().items()}


class Nameless(Portraits):
    """It has no placement."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)


class Untrue:
    """It does not know how its pictures were made."""

    def __init__(self, root: str | Path, placement: int = 0) -> None:
        raise AssertionError("it is not built")


def untrue(placement: int = 0):
    return iter(())


@hookimpl
def kce_datasets():
    return {"portraits": Portraits, "nameless": Nameless, "untrue": Untrue, "untrue-too": untrue}
'''


def portraits_plugin(at: Path) -> str:
    """Put the plugin into a folder with a registry of its own and pictures; returns the spec of the dataset."""
    (at / "plugins").mkdir()
    (at / "registry.toml").touch()
    (at / "plugins" / "portraits.py").write_text(PORTRAITS, encoding="utf-8")
    (at / "pictures").mkdir()
    return f"portraits:root={(at / 'pictures').as_posix()}"
