"""Units in which weights, columns and targets of any size are computed with."""

from collections.abc import Sequence

import numpy as np

# Weights that span more are cut: float32 holds the products of what is left with squares.
_SPAN = 2.0**60
# Sums of weights stay below 2^_HEAVIEST, so that sums of those of several calls stay in float64.
_HEAVIEST = 1016
_LEAST = 5e-324
# Between these exponents neither squares of values nor those of their rounding leave float64.
_PLAIN = 400


def weights_in_units(weight: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Row weights in the unit of the least positive one, and that unit.

    None in place of weights that are all equal. A common factor changes the unit alone, and
    the sum of the weights counts rows: an integer weight is a row repeated as often, if the
    least is one. Weights below the largest one by a factor of more than 2^60 are raised to it.
    """
    high = float(weight.max())
    least = float(weight.min())
    if least == high:
        return None, high
    if least == 0.0:
        least = float(weight.min(where=weight > 0.0, initial=high))
    unit = max(least, high / _SPAN)
    units = np.maximum(weight, unit) / unit
    return (units if weight.all() else np.where(weight > 0.0, units, 0.0)), unit


def hold_weights(weight: np.ndarray, exponent: int = 0, *, most: int = _HEAVIEST) -> np.ndarray:
    """Row weights times 2^exponent, or less where their sum could be above 2^most.

    That is another unit, no more: all get the same factor, and none becomes zero.
    """
    shift = min(exponent, most - len(weight).bit_length() - _exponent(weight))
    return _where_positive(np.ldexp(weight, shift), weight) if shift else weight


def multiply_weights(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of row weights of any size, in another unit where float64 does not hold them."""
    product = _where_positive(below_one(first) * below_one(second), np.minimum(first, second))
    return hold_weights(product, max(_exponent(first) + _exponent(second), -_HEAVIEST))


def below_one(weight: np.ndarray) -> np.ndarray:
    """Row weights in a power of two above them all, whose products with targets are targets."""
    return np.ldexp(weight, -_exponent(weight))


def _exponent(weight: np.ndarray) -> int:
    return int(np.frexp(weight.max())[1])


def _where_positive(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The values, above zero where a weight is and zero elsewhere."""
    return np.where(weight > 0.0, np.maximum(values, _LEAST), 0.0)


def exponents(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Integers e such that values from ``low`` to ``high``, times 2^-e, have squares in float64.

    Zero wherever they have them as they are. Scaling by powers of two rounds nothing.
    """
    _, exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    return np.where(np.abs(exponent) > _PLAIN, exponent, 0)


def deviation(y: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted root mean square distance of each target from ``mean``."""
    return np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))


def usable(scale: np.ndarray, location: np.ndarray) -> np.ndarray:
    """Zero in place of a scale that is nothing but rounding."""
    return np.where(scale <= 1e-14 * np.abs(location), 0.0, scale)


def robust_units(y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and normalized interquartile range, or deviation where half of y is one value."""
    low, median, high = quantiles(y, weight, (0.25, 0.5, 0.75))
    scale = usable((high - low) / 1.349, median)  # the deviation of a normal distribution
    spread = usable(deviation(y, median, weight), median)
    return median, np.where(scale > 0.0, scale, spread)


def quantiles(y: np.ndarray, weight: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Weighted quantiles (n_levels, m): the lowest value that reaches the level's share."""
    order = np.argsort(y, axis=0, kind="stable")
    reached = np.cumsum(weight[order], axis=0)
    targets = np.asarray(levels)[:, None] * reached[-1]
    positions = [
        np.searchsorted(reached[:, o], targets[:, o] * (1.0 - 1e-12)) for o in range(y.shape[1])
    ]
    return np.stack(
        [y[order[np.minimum(p, len(y) - 1), o], o] for o, p in enumerate(positions)], axis=1
    )
