"""Scikit-learn's conventions for components: parameters that can be read and set, rows that are checked.

Enters: a class of a library, or a component that derives from `Estimator`. Leaves: components that work in
scikit-learn's pipelines, and estimators of libraries that work as components. Scikit-learn is imported only where rows
are not plain arrays, and by the parts that are its own.
"""
