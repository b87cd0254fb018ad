"""Makes a component of any estimator class that follows scikit-learn's conventions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from kce.errors import KCEError, UnknownName
from kce.estimators.library import (
    SEED,
    LibraryClusterer,
    LibraryEstimator,
    LibraryReducer,
    LibraryStreamReducer,
    LibraryTransformer,
)

_COUNTS = ("n_components", "n_cluster", "num_clusters", "k")
"""What libraries call `n_clusters`: too short a list to rely on, but long enough to ask."""

_EMPTY = inspect.Parameter.empty


def wrap(
    estimator: type, kind: Literal["clusterer", "reducer", ""] = "", *, rename: Mapping[str, str] | None = None
) -> type[LibraryEstimator]:
    """Make a component of an estimator class: a factory for a plugin's hook, ``conforms``, or a pipeline.

    Its parameters are those of the class, with their defaults. Types follow from the defaults, so that a parameter of a
    wrong type is an error before any work starts. One without a default that can be written as text, or with None, may
    be left out, and is then the library's own matter; `*args` and `**kwargs` cannot be set. `random_state` is called
    `seed`, is 0 by default, and receives the run's seed. Rows are given as float64.

    A clusterer has `fit_predict`, or `fit` with `labels_` or `predict`, and answers with whole numbers, which may be
    floats; for other floats it raises CheckFailed. A reducer has `fit_transform`, or `fit` and `transform`; with
    `partial_fit` too it is given rows in batches.

    Args:
        estimator: The class.
        kind: "clusterer" or "reducer"; by default a clusterer if it has `fit_predict` or no `transform`.
        rename: Library's name -> KCE's, of parameters: ``{"n_components": "n_clusters"}``, since a run gives the number
            of classes to a clusterer's `n_clusters`. A clusterer whose number of clusters seems to have another name
            must be renamed, or say that its name stays: ``{"k": "k"}``.

    Returns:
        A class with the parameters of `estimator`, which follows scikit-learn's conventions itself.

    Raises:
        KCEError: It is no such class, needs labels to be fitted, or `rename` does not fit.

    Example:
        >>> import numpy as np
        >>> from sklearn.cluster import Birch
        >>> import kce
        >>> Clusters = kce.wrap(Birch)
        >>> Clusters(n_clusters=2, threshold=0.1).fit_predict(np.array([[0.0], [0.1], [9.0]])).tolist()
        [1, 1, 0]
        >>> from sklearn.mixture import GaussianMixture
        >>> kce.wrap(GaussianMixture, rename={"n_components": "n_clusters"})(n_clusters=3, seed=1)
        GaussianMixture(n_clusters=3, seed=1)
    """
    if not isinstance(estimator, type):
        raise KCEError(f"{estimator!r:.80} is not a class", "give the class itself, as in kce.wrap(Birch)")
    public = [part for part in estimator.__module__.split(".") if not part.startswith("_")]
    title = f"{'.'.join(public)}:{estimator.__qualname__}"
    base = _base(estimator, kind, title)
    parameters = _parameters(estimator, title)
    renamed = _renamed(parameters, dict(rename or {}), title, clusters=base is LibraryClusterer)
    own = [_own(parameter, renamed.get(name, name)) for name, parameter in parameters.items()]
    own.sort(key=lambda parameter: parameter.default is not _EMPTY)
    signature = inspect.Signature(own)
    return type(
        estimator.__name__,
        (base,),
        {
            "__init__": _init(signature),
            "__signature__": signature,
            "__reduce__": _reduce,
            "__module__": __name__,
            "__qualname__": f"wrap.<locals>.{estimator.__name__}",
            "__doc__": _doc(estimator, title, renamed),
            "library": estimator,
            "rename": renamed,
            "made_by": (estimator, kind, rename),
        },
    )


def _base(estimator: type, kind: str, title: str) -> type[LibraryEstimator]:
    fits, transforms = hasattr(estimator, "fit"), hasattr(estimator, "transform")
    clusters = hasattr(estimator, "fit_predict") or (
        fits and not transforms and not hasattr(estimator, "fit_transform")
    )
    reduces = hasattr(estimator, "fit_transform") or (fits and transforms)
    for method in ("fit", "fit_predict", "fit_transform"):
        target = _signature_of(getattr(estimator, method, None)).get("y")
        if target is not None and target.default is _EMPTY:
            raise KCEError(
                f"{title} needs labels (the y of `{method}`), which a component is not given",
                "choose an estimator that learns without labels",
            )
    kind = kind or ("clusterer" if clusters else "reducer")
    if kind == "clusterer" and (clusters or fits):
        return LibraryClusterer
    if kind == "reducer" and reduces:
        if not transforms:
            return LibraryReducer
        return LibraryStreamReducer if hasattr(estimator, "partial_fit") else LibraryTransformer
    needed = {"clusterer": "`fit_predict` or `fit`", "reducer": "`fit_transform`, or `fit` and `transform`"}
    if kind not in needed:
        raise KCEError(f"{title} cannot be a {kind}", "an estimator can be a clusterer or a reducer")
    raise KCEError(f"{title} cannot be a {kind}: it has no {needed[kind]}", "choose another class")


def _signature_of(method: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(method).parameters
    except (TypeError, ValueError):  # there is none, or it is compiled
        return {}


def _parameters(estimator: type, title: str) -> dict[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(estimator).parameters.values()
    except (TypeError, ValueError) as error:
        raise KCEError(f"the parameters of {title} cannot be read: {error}", "write a plugin that calls it") from error
    if any(parameter.kind is parameter.POSITIONAL_ONLY for parameter in parameters):
        raise KCEError(f"{title} has parameters without names", "write a plugin that calls it")
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {parameter.name: parameter for parameter in parameters if parameter.kind not in variable}


def _renamed(
    parameters: Mapping[str, inspect.Parameter], rename: dict[str, str], title: str, *, clusters: bool
) -> dict[str, str]:
    """Check the names that are given, and add the seed's."""
    for name, new in rename.items():
        if name not in parameters:
            raise UnknownName.among(f"parameter of {title}", name, parameters)
        if not isinstance(new, str) or not new.isidentifier():
            raise KCEError(f"{title}: {name} cannot be renamed to {new!r}", "write a name of letters, digits and _")
    for theirs, ours in SEED.items():
        if theirs in parameters and ours not in parameters:
            rename.setdefault(theirs, ours)
    names = [rename.get(name, name) for name in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise KCEError(f"{title} would have two parameters named {twice[0]!r}", "rename one of them to something else")
    if clusters and "n_clusters" not in names and (likely := [name for name in _COUNTS if name in parameters]):
        if likely[0] in rename:
            return rename
        raise KCEError(
            f"{title} has no parameter n_clusters, which receives the number of classes; its {likely[0]!r} may be that",
            f'say so: rename = {{{likely[0]} = "n_clusters"}}, or "{likely[0]}" if it is not',
        )
    return rename


def _own(parameter: inspect.Parameter, name: str) -> inspect.Parameter:
    """The parameter of the component: with a type by its default, and a default that can be written as text."""
    default = parameter.default
    if name == "seed":
        default = default if type(default) is int else 0
    if default is not _EMPTY and not _writable(default):
        default = None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_type(name, default))


def _writable(value: Any) -> bool:
    if type(value) is list:
        return all(map(_writable, value))
    return type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def _type(name: str, default: Any) -> Any:
    """What values a parameter takes, as far as its default tells; the library checks the rest."""
    if type(default) is bool:
        return bool
    if type(default) is int:
        # Many numbers of scikit-learn may be shares, too: OPTICS(min_samples=0.1).
        return int if name in ("n_clusters", "seed") else int | float
    if type(default) is float:
        return float
    if type(default) is str:
        return str | int | float  # "auto", or a number
    return _EMPTY


def _init(signature: inspect.Signature) -> Callable[..., None]:
    def init(self: Any, **parameters: Any) -> None:
        bound = signature.bind(**parameters)
        bound.apply_defaults()
        vars(self).update(bound.arguments)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    init.__signature__ = signature.replace(parameters=[own, *signature.parameters.values()])  # type: ignore[attr-defined]
    return init


def _reduce(self: Any) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    return _rebuild, type(self).made_by, vars(self)


def _rebuild(estimator: type, kind: Literal["clusterer", "reducer", ""], rename: Mapping[str, str] | None) -> Any:
    made = wrap(estimator, kind, rename=rename)
    return made.__new__(made)


def _doc(estimator: type, title: str, renamed: Mapping[str, str]) -> str:
    doc = inspect.getdoc(estimator) or estimator.__name__
    first, _, rest = doc.partition("\n")
    names = ", ".join(f"`{ours}` is its `{theirs}`" for theirs, ours in renamed.items() if ours != theirs)
    return "\n".join(filter(None, [first, f"\nThis is {title}{f'; {names}' if names else ''}.", rest]))
