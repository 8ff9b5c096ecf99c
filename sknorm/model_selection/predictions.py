"""Out-of-fold predictions of a search's candidates, and how they are scored."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sknorm.backends import fetched
from sknorm.estimators.fitted import without_network
from sknorm.model_selection.answers import answering_classifier, answering_regressor
from sknorm.model_selection.inputs import last_step


def predicted(model: Any, X: Any, error_score: Any) -> dict[str, Any]:
    """Predictions of held-out rows, on the host, and what scorers may ask of their model.

    Nothing if the model cannot predict the rows: its scores say so.
    """
    classifies = is_classifier(model)
    try:
        values = fetched(model.predict_proba(X) if classifies else model.predict(X))
    except Exception:
        if error_score == "raise":
            raise
        return {}
    # Networks of as many models as there are fits would fill the memory.
    like = None if classifies else without_network(last_step(model))
    classes = np.asarray(model.classes_) if classifies else None
    return {"predictions": np.asarray(values), "classes": classes, "like": like}


def stand_in(result: dict[str, Any], y: Any) -> Any:
    """A model for scorers that answers what it is asked about."""
    if result["classes"] is None:
        return answering_regressor(result["like"])
    return answering_classifier(y)


def aligned(result: dict[str, Any], classes: np.ndarray | None) -> np.ndarray:
    """A result's predictions with a column for each of ``classes``, if there are any.

    A class that a fold does not have has no probability there.
    """
    values = result["predictions"]
    if classes is None:
        return values
    spread = np.zeros((len(values), len(classes)))
    spread[:, np.searchsorted(classes, result["classes"])] = values
    return spread


def out_of_fold(
    results: Sequence[dict[str, Any]],
    candidates: int,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: np.ndarray | None,
    count: int,
) -> np.ndarray:
    """Predictions (n_candidates, n_samples, ...) of rows by nets that did not see them.

    Means where a row is in several test folds; NaN where a candidate has none.

    Raises
    ------
    ValueError
        If predictions of two candidates have different shapes.
    """
    shape = aligned(results[0], classes).shape[1:]
    sums = np.zeros((candidates, count, *shape))
    times = np.zeros((candidates, count, *(1 for _ in shape)))
    for result in results:
        (number, split), values = result["job"].key, aligned(result, classes)
        if values.shape[1:] != shape:
            raise ValueError(
                'refit="ensemble" averages predictions of one shape, but those of a row have '
                f"shape {shape} and, for candidate {number}, {values.shape[1:]}."
            )
        test = splits[split][1]
        sums[number][test] += values
        times[number, test] += 1
    with np.errstate(invalid="ignore"):
        return sums / times
