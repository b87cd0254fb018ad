"""Libraries that are not plugins: classes that a ``registry.toml`` names, and what a component needs to be installed.

Finding imports nothing: whether a library is there is seen from where Python would import it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kce.errors import BrokenPlugin, KCEError, UnknownName
from kce.registry.asking import describe_error

if TYPE_CHECKING:
    from kce.registry.registry_file import RegistryEntry

_PACKAGES = {
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sklearn_extra": "scikit-learn-extra",
    "umap": "umap-learn",
}
"""Module -> the package that brings it, where the names differ."""

KINDS_OF_CLASSES = ("reducer", "clusterer")
"""The kinds of components that a class of a library can be."""


def is_library(module: str) -> bool:
    """Return whether `use` means a module of a library, if there is no plugin of that name: dotted, or importable."""
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    return "." in module or _can_import(module)


def library_source(module: str) -> str:
    """Return where a module is from: "scikit-learn 1.9.1"; "library" if that is not known."""
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    top = module.partition(".")[0]
    try:
        package = _PACKAGES.get(top, top)
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        pass
    except Exception:  # metadata of others may be broken in any way
        return "library"
    try:
        (package,) = set(packages_distributions().get(top, ()))
        return f"{package} {version(package)}"
    except Exception:
        return "library"


def missing_module(module: str) -> str:
    """Say what to install so that a module can be imported; empty if it is there."""
    top = module.partition(".")[0]
    if _can_import(top):
        return ""
    if top in _PACKAGES:
        return f"not installed: pip install {_PACKAGES[top]}"
    return f"not installed: pip install {top} (or the package that has the module {top!r}, if its name differs)"


def missing_requirement(factory: Callable[..., Any]) -> str:
    """Say what to install for a factory, by its attribute `requires`; empty if all is there.

    Raises:
        KCEError: The attribute is not {module: what pip installs}.

    Example:
        >>> class Wavelets:
        ...     requires = {"no_such_module": "no-such-package[all]"}
        >>> missing_requirement(Wavelets)
        'not installed: pip install "no-such-package[all]"'
    """
    requires = getattr(factory, "requires", {})
    if not isinstance(requires, Mapping) or not all(
        isinstance(text, str) for pair in requires.items() for text in pair
    ):
        raise KCEError(
            f"the attribute `requires` is {str(requires)[:200]}",
            'write requires = {"umap": "umap-learn"}: module, package',
        )
    packages = [package for module, package in requires.items() if not _can_import(module.partition(".")[0])]
    quoted = [f'"{package}"' if set(package) & set("[]<>=!~; ") else package for package in packages]
    return f"not installed: pip install {' '.join(quoted)}" if quoted else ""


def check_library(entry: RegistryEntry) -> None:
    """Raise BrokenPlugin for an entry that cannot be a class of a library, as far as is seen without importing it."""
    where = f"{entry.kind} {entry.name!r} in {entry.source} cannot be used"
    if entry.kind not in KINDS_OF_CLASSES:
        text = (
            f"{where}: there is no plugin {entry.plugin!r}, and a class of a library can only be a reducer or clusterer"
        )
        raise BrokenPlugin("names", text, "write a plugin that uses the library: `kce docs plugins`")
    if missing := missing_module(entry.plugin):
        raise BrokenPlugin("library", f"{where}: {missing}", missing.removeprefix("not installed: "))


def library_factory(entry: RegistryEntry) -> Callable[..., Any]:
    """Import the class that an entry names, and wrap it.

    Raises:
        BrokenPlugin: It is not installed, cannot be imported, has no such class, or the class cannot be a component.
    """
    from kce.estimators.wrapping import wrap
    from kce.registry.side_effects import preserved_process

    check_library(entry)
    where = f"{entry.kind} {entry.name!r} in {entry.source} cannot be used"
    try:
        with preserved_process():
            module = importlib.import_module(entry.plugin)
            found = getattr(module, entry.factory, None)  # scikit-learn-like libraries import some names when asked
    except Exception as error:
        text = f"{where}: importing {entry.plugin} fails with {describe_error(error)}"
        raise BrokenPlugin("imports", text, 'write use = "MODULE:CLASS" of a library that is installed') from error
    if found is None:
        classes = [name for name, value in vars(module).items() if isinstance(value, type) and name[0] != "_"]
        unknown = UnknownName.among(f"class in {entry.plugin}", entry.factory, classes)
        raise BrokenPlugin("names", f"{where}: {unknown.message}", unknown.hint)
    try:
        wrapped = wrap(found, entry.kind, rename=entry.rename)  # type: ignore[arg-type] # its kind was checked above
    except KCEError as error:
        raise BrokenPlugin("signature", f"{where}: {error.message}", error.hint) from error
    for attribute, value in entry.declared.items():
        setattr(wrapped, attribute, value)
    return wrapped


def _can_import(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError, AttributeError):  # an entry of sys.modules that is none
        return False
