"""Paths of the files that come with KCE: recipes, templates, the manual, the registry and the built-in plugins."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
RECIPES = PACKAGE / "recipes"
TEMPLATES = PACKAGE / "templates"
DOCS = PACKAGE / "docs"

# In a wheel these are inside the package, in a checkout beside it.
_BUNDLED = (PACKAGE / "builtin").is_dir()
BUILT_IN = PACKAGE / "builtin" if _BUNDLED else PACKAGE.parent / "plugins"
REGISTRY = PACKAGE / "registry.toml" if _BUNDLED else PACKAGE.parent / "registry.toml"
