"""Out-of-fold predictions of a search's candidates."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sknorm.backends import fetched


def predicted(model: Any, X: Any, error_score: Any) -> dict[str, Any]:
    """Predictions of held-out rows, on the host, and the classes that they are of.

    Nothing if the model cannot predict them: its scores say so.
    """
    classifies = is_classifier(model)
    try:
        values = fetched(model.predict_proba(X) if classifies else model.predict(X))
    except Exception:
        if error_score == "raise":
            raise
        return {}
    return {
        "predictions": np.asarray(values).reshape(len(values), -1),
        "classes": np.asarray(model.classes_) if classifies else None,
    }
