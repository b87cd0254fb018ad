"""Components of others that fail."""

from __future__ import annotations

from pathlib import Path

from kce.registry.registry import Registry


def registry_with_failing_clusterer(folder: Path) -> Registry:
    """A registry in this folder whose clusterer `bad` raises an error, "broken", for any rows."""
    (folder / "registry.toml").write_text('[clusterer.bad]\nuse = "bad:bad"\n')
    (folder / "plugins").mkdir()
    (folder / "plugins" / "bad.py").write_text(
        "from kce import hookimpl\n"
        "class Bad:\n    def fit_predict(self, x):\n        raise RuntimeError('broken')\n"
        "@hookimpl\ndef kce_clusterers():\n    return {'bad': Bad}\n"
    )
    return Registry.load(folder)
