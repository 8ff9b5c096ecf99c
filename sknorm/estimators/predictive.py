"""Predictions and their spread over the members of a stack and over dropout masks."""

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from sknorm._typing import Integer
from sknorm._warnings import warn
from sknorm.backends import Backend, resolve
from sknorm.estimators.rows import engine_table
from sknorm.network.folding import Noise, folded
from sknorm.objective.losses import HELD_SHARE

_FAR = 1e4  # deviations
_SAFE = 2.0**900  # units in which no prediction leaves float64
_ROOM = 2.0**64  # what larger ones are divided by, while they are added


class Predictive(NamedTuple):
    """Mean and standard deviation over networks, (n_samples, n_outputs); None if one only."""

    mean: np.ndarray
    std: np.ndarray | None


def predictive(
    estimator: Any,
    X: Any,
    n_samples: Integer | None,
    with_std: bool,
    units: tuple[np.ndarray, np.ndarray] | None = None,
) -> Predictive:
    """Predictions over all members, and over ``n_samples`` dropout masks of each.

    Parameters
    ----------
    estimator : fitted estimator
    X : checked table of shape (n_samples, n_features)
    n_samples : int or None
        Monte-Carlo samples with dropout as in training (Gal and Ghahramani, 2016, Dropout as a
        Bayesian approximation); None predicts without dropout.
    with_std : bool
        Whether the spread is asked for.
    units : (location, scale) of the outputs, arrays of shape (n_outputs,), or None
        Of the targets: predictions and their spread are in them.

    Raises
    ------
    ValueError
        If the spread of a single network without dropout is asked for.
    """
    _check(estimator, n_samples, with_std)
    backend = resolve(X, estimator.backend, estimator.matmul_precision)
    loss, xp = estimator._loss(), backend.xp
    inference = folded(estimator.network_, backend)
    table, scales = engine_table(backend, X), estimator._scales
    offset, factor = backend.asarray(scales.offset), backend.asarray(scales.factor)
    dtype = backend.dtype(X.dtype)
    count = 0
    mean: Any = 0.0
    squares: Any = 0.0
    for sample in range(n_samples or 1):
        noise = None if n_samples is None else _noise(estimator, backend, sample)
        raw = inference.raw(table, offset, factor, noise)
        values = loss.inverse_link(xp.astype(raw, dtype, copy=False), xp)
        if n_samples is None and not with_std:
            mean = values[0, ...] if values.shape[0] == 1 else xp.mean(values, axis=0)
            break
        for member in range(values.shape[0]):  # Welford's update: few arrays are held at once
            value = values[member, ...]
            count += 1
            delta = value - mean
            mean = mean + delta / count
            squares = squares + delta * (value - mean)
    std = xp.sqrt(squares / count) if with_std else None
    if units is None:
        return Predictive(mean, std)
    spread = None if std is None else in_units(backend, std, units, located=False)
    return Predictive(in_units(backend, mean, units), spread)


def in_units(
    backend: Backend, values: Any, units: tuple[np.ndarray, np.ndarray], *, located: bool = True
) -> Any:
    """Outputs (n, o) as targets of this location and scale, deviations as those of targets.

    What float64 does not hold is held at its largest number.
    """
    location, scale = _units_for(backend, values.dtype, units)
    if not located:
        location = backend.xp.zeros_like(location)
    if max(np.abs(each).max(initial=0.0) for each in units) < _SAFE:
        return values * scale + location
    most = float(np.finfo(np.float64).max) / _ROOM
    with np.errstate(over="ignore"):  # means under a log link may be huge by themselves
        small = values * (scale / _ROOM) + location / _ROOM
    return backend.xp.clip(small, -most, most) * _ROOM


def _units_for(
    backend: Backend, dtype: Any, units: tuple[np.ndarray, np.ndarray]
) -> tuple[Any, Any]:
    """Location and scale for outputs of this dtype, in float64 where it does not hold targets.

    Either because they are too large or small, or because their mean is so large beside their
    deviation that most digits would be those of the mean.
    """
    location, scale = (np.abs(each) for each in units)
    limits = np.finfo(np.float32 if "32" in str(dtype) else np.float64)
    most, least = float(limits.max) / 1e6, float(limits.tiny) * 1e6
    held = np.all((scale < most) & (scale > least) & (location / _FAR < scale))
    dtype = dtype if held else backend.xp.float64
    location, scale = (backend.asarray(each, dtype) for each in units)
    return location, scale


def warn_if_infinite(estimator: Any, X: Any) -> None:
    """Warn of predictions of training rows that overflow, as those of a log link may.

    They are held at a value near the largest of their dtype. No loss tells: the gamma loss of such
    a prediction is finite, and cheap to bring about for an outlier.
    """
    loss = estimator._loss()
    if loss.output_activation != "exp":
        return
    values = predictive(estimator, X, None, False).mean
    xp = array_namespace(values)
    most = 0.99 * float(xp.finfo(values.dtype).max) ** HELD_SHARE
    held = xp.any(values >= most, axis=1)
    if count := int(xp.sum(xp.astype(held, xp.int64))):
        warn(
            f"loss={estimator.loss!r}: the predictions of {count} of the {X.shape[0]} training "
            "rows overflow. Use a norm, scale the inputs, or lower learning_rate_init.",
            RuntimeWarning,
        )


def _noise(estimator: Any, backend: Backend, sample: int) -> Noise:
    members = estimator.network_.members
    rates = [np.full(members, float(rate)) for rate in estimator._dropout_rates]
    dropout, input_dropout = (backend.asarray(rate) for rate in rates)
    seed = backend.asarray(np.array(estimator._dropout_seeds, dtype=np.uint32))
    return Noise(dropout, input_dropout, seed, sample, estimator._dropout_rates[1] > 0)


def _check(estimator: Any, n_samples: Integer | None, with_std: bool) -> None:
    if n_samples is not None:
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer or None, got {n_samples!r}.")
        if not any(estimator._dropout_rates):
            raise ValueError(
                f"n_samples={n_samples} asks for predictions under dropout, but the model was "
                "trained without. Set dropout or input_dropout and fit it anew, or use n_members "
                "for an ensemble."
            )
    elif with_std and estimator.network_.members == 1:
        raise ValueError(
            "return_std=True needs more than one network: set n_members > 1, or train with "
            "dropout and pass n_samples."
        )
