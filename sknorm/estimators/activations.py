"""What the hidden layers of a fitted network compute for some rows."""

from typing import Any

import numpy as np

from sknorm.data.table import resolve_table, take
from sknorm.estimators.fitted import fitted_of
from sknorm.estimators.predictive import check_table
from sknorm.network.folding import folded


def hidden_activations(estimator: Any, X: Any, method: str, most: int) -> list[np.ndarray]:
    """Outputs of the hidden blocks for rows of X, arrays (K, n, d) on the host.

    As in a prediction: with norms folded in, and without dropout. Of more than ``most`` rows, as
    many are taken at equal distances. ``method`` is what was asked for, for messages.
    """
    checked = check_table(estimator, X, method)
    count = checked.shape[0]
    if count > most:
        checked = take(checked, np.linspace(0, count - 1, most).astype(np.int64))
    fitted = fitted_of(estimator)
    columns = fitted.columns
    backend = resolve_table(checked, estimator.backend, estimator.matmul_precision)
    table, scaling = columns.engine_table(backend, checked), columns.scaling(backend, checked)
    hidden = folded(fitted.network, backend).hidden_outputs(table, scaling)
    return [backend.to_numpy(each) for each in hidden]
