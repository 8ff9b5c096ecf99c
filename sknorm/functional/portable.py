"""Any norm of any layout, in array-API code that writes into no array.

References
----------
T. F. Chan, G. H. Golub and R. J. LeVeque (1983). Algorithms for computing the sample variance:
analysis and recommendations. The American Statistician 37(3), 242-247.
"""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from sknorm.functional.layout import Layout, Shape
from sknorm.functional.precision import sum_dtype


@dataclass(frozen=True, slots=True)
class Portable:
    """What the backward pass needs; arrays broadcast against x of the layout's shape."""

    layout: Layout
    standardized: Any
    inverse_std: Any
    share: Any  # of a value in the moments: a float, or an array where rows have weights
    present: Any | None  # whether rows have a positive weight; None if all have
    scale: Any | None

    @property
    def array(self) -> Any:
        """An array of the library, the device and the dtype of the computation."""
        return self.standardized

    @staticmethod
    def forward(
        x: Any, scale: Any, shift: Any, layout: Layout, eps: float, weight: Any
    ) -> tuple[Any, "Portable"]:
        """Normalize x of the layout's shape."""
        xp, present = array_namespace(x), _present(weight, layout)
        x = _without_absent(x, present)
        residual, rest, variance, share = _moments(x, layout, weight)
        inverse = xp.astype(1.0 / xp.sqrt(variance + eps), x.dtype, copy=False)
        standardized = (residual - rest) * inverse
        scale, shift = _spread(scale, layout), _spread(shift, layout)
        y = standardized if scale is None else standardized * scale
        # A sum even without a shift: the caller is free to change y, but not the cached array.
        y = _without_absent(y + (0.0 if shift is None else shift), present)
        return y, Portable(layout, standardized, inverse, share, present, scale)

    def backward(self, dy: Any) -> tuple[Any, Any, Any]:
        """Gradients with respect to x, in the layout's shape, and to scale and shift."""
        xp, layout = array_namespace(dy), self.layout
        dy = _without_absent(dy, self.present)
        # The sums for x and those for the parameters run over these axes both.
        sum_1, sum_2 = _sum(dy, layout.spatial), _sum(dy * self.standardized, layout.spatial)
        dscale, dshift = _sum(sum_2, layout.samples), _sum(sum_1, layout.samples)
        if self.scale is not None:
            dy, sum_1, sum_2 = dy * self.scale, sum_1 * self.scale, sum_2 * self.scale
        centre, slope = (
            xp.astype(_sum(s, layout.features), dy.dtype, copy=False) for s in (sum_1, sum_2)
        )
        pull = self.share * centre + self.standardized * (self.share * slope)
        return (dy - pull) * self.inverse_std, dscale, dshift


def _present(weight: Any, layout: Layout) -> Any:
    """Which rows have a positive weight, to broadcast; None if all have."""
    if weight is None or bool(array_namespace(weight).all(weight > 0.0)):
        return None
    return array_namespace(weight).reshape(weight > 0.0, _along_rows(layout))


def _along_rows(layout: Layout) -> Shape:
    """The shape of weights of the rows that broadcasts against x."""
    rows = layout.spatial[0]
    return layout.kept(tuple(axis for axis in range(len(layout.shape)) if axis != rows))


def _without_absent(values: Any, present: Any) -> Any:
    """Zeros in rows of weight zero, whatever stands there: zero times NaN is NaN."""
    if present is None:
        return values
    xp = array_namespace(values)
    return xp.where(present, values, xp.zeros_like(values))


def _spread(values: Any, layout: Layout) -> Any:
    """Scale or shift, broadcastable against x of the layout's shape."""
    if values is None:
        return None
    return array_namespace(values).reshape(values, layout.kept(layout.shared))


def _moments(x: Any, layout: Layout, weight: Any) -> tuple[Any, Any, Any, Any]:
    """Deviations from a rounded mean, the rest of the mean, the variance, shares of the values.

    The corrected two-pass algorithm (Chan, Golub and LeVeque, 1983). Where the mean is large,
    the deviations are exact, and their mean is what the first mean lost to rounding.
    """
    xp, axes = array_namespace(x), layout.pooled
    total: Any = layout.size(axes)
    share: Any = 1.0 / total
    if weight is not None:
        weight = xp.reshape(weight, _along_rows(layout))
        total = _sum(weight, axes) * layout.size(layout.spatial[1:])
        share = xp.astype(weight / total, x.dtype, copy=False)

    def mean(values: Any) -> Any:
        return _sum(values if weight is None else values * weight, axes) / total

    residual = x - xp.astype(mean(x), x.dtype, copy=False)
    correction = mean(residual)
    variance = mean(residual * residual) - correction * correction
    rest = xp.astype(correction, x.dtype, copy=False)
    return residual, rest, xp.maximum(variance, xp.zeros_like(variance)), share


def _sum(values: Any, axes: Shape) -> Any:
    """Sums that keep their axes, in float64 where the device has it."""
    if not axes:
        return values
    xp = array_namespace(values)
    return xp.sum(values, axis=axes, keepdims=True, dtype=sum_dtype(values))
