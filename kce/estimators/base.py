"""The base of components that follow scikit-learn's conventions, without loading scikit-learn."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from kce.errors import BadValue, UnknownName, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Estimator:
    """Base of a component that works as an estimator of scikit-learn, in `clone` and `Pipeline` for example.

    The parameters of `__init__` are kept under their own names and are not checked there, as scikit-learn requires;
    ``check_parameters`` does that. The methods that take rows call ``check_rows`` first. Neither this class nor the
    import of a module that uses it loads scikit-learn.

    Attributes:
        estimator_type: What scikit-learn calls its kind; "" for a component that only transforms rows.
        n_features_in_: Columns of the rows it was fitted to.

    Example:
        >>> import kce
        >>> class Signs(kce.Estimator):
        ...     def __init__(self, axis: int = 0) -> None:
        ...         self.axis = axis
        ...     def fit_predict(self, x, y=None):
        ...         return (self.check_rows(x)[:, self.axis] > 0).astype(int)
        >>> Signs(axis=2)
        Signs(axis=2)
        >>> from sklearn.base import clone
        >>> clone(Signs(axis=2)).get_params()
        {'axis': 2}
    """

    estimator_type: ClassVar[Literal["clusterer", ""]] = ""
    n_features_in_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - no parameter is an estimator itself
        """Return the parameters by name, as scikit-learn's method does."""
        return {name: getattr(self, name) for name in _defaults(type(self))}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters; they are checked when rows are fitted.

        Raises:
            BadValue: There is no such parameter.
        """
        known = _defaults(type(self))
        for name in parameters:
            if name not in known:
                error = UnknownName.among(f"parameter of {type(self).__name__}", name, known)
                raise BadValue(error.message, error.hint)
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def check_parameters(self) -> None:
        """Raise BadValue for parameters that are wrong whatever the rows are.

        ``Registry.build`` calls it, so that such an error comes before any work, and ``check_rows`` does before a fit.
        """

    def check_rows(
        self, x: Any, *, reset: bool = True, dtype: Literal["float32", "float64"] | None = None
    ) -> NDArray[np.floating[Any]]:
        """Return rows as an array (n, dim) of floats, and record or compare its width.

        Args:
            x: (n, dim): an array, a list or a data frame. Only the values of what is not an array of floats are checked
                here: whether they are finite is for the component to say.
            reset: Whether to record `n_features_in_`, as `fit` does; otherwise it is compared.
            dtype: Type of the floats; by default float32 and float64 stay what they are.

        Raises:
            BadValue: They are no rows of numbers, or of another width than those it was fitted to. With `reset` also
                what ``check_parameters`` raises.
        """
        import numpy as np

        if reset:
            self.check_parameters()
        plain = type(x) is np.ndarray and x.ndim == 2 and x.dtype in (np.float32, np.float64) and x.shape[1]
        if plain and (reset or getattr(self, "n_features_in_", 0) == x.shape[1]) and not _has_names(self):
            self.n_features_in_ = x.shape[1]
            return np.asarray(x, dtype)
        from sklearn.utils.validation import validate_data

        with recoverable(type(self).__name__, "give rows (n, dim) of numbers, as wide as those it was fitted to"):
            finite = not self.__sklearn_tags__().input_tags.allow_nan
            types = dtype or ["float64", "float32"]
            return validate_data(self, x, reset=reset, dtype=types, ensure_all_finite=finite)  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn knows of an estimator."""
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=self.estimator_type or None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(["float32"]) if hasattr(self, "transform") else None,
        )

    def __repr__(self) -> str:
        defaults = _defaults(type(self))
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value is not defaults[name]]
        return f"{type(self).__name__}({', '.join(changed)})"


def _has_names(estimator: Estimator) -> bool:
    """Whether it was fitted to a data frame, whose columns scikit-learn compares and forgets."""
    return hasattr(estimator, "feature_names_in_")


def _defaults(factory: type) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(factory).parameters.items()}
