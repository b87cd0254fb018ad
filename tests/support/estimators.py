"""Which of scikit-learn's own estimator checks a built-in reducer or clusterer does not pass, and why."""

from __future__ import annotations

EXCEPTIONS: dict[str, dict[str, str]] = {
    "none": {"check_estimators_empty_data_messages": "no rows are reduced to no rows, as in a table that is empty"},
}
"""Component -> check -> reason. A check that is listed here must fail."""
