"""One call of a kernel, and how the results of two implementations are compared."""

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from sknorm.kernels.reference import losses, regression_losses

ON_HOST = {"segments", "groups", "plan"}  # for every backend, as they decide what is launched
LOSSES = [*losses.__all__, *regression_losses.__all__]
SCRATCH = {"accumulators", "scratch", "sums"}
OUTPUTS = {
    "x_out", "y_out", "weight_out", "out", "running", "statistics", "dscale", "dshift", "dout",
    "inverse_std", "moments", "value", "dbias", "parameters", "velocity", "first", "second",
    "monitor", "extremes",
}  # fmt: skip
IN_PLACE = {
    "begin_step": {"clock", "rows", "numbers", "step"},
    "layer_block_forward": {"z"},
    "clip_gradient": {"gradient"},
    "restore_norms": {"weight"},
    "mixup": {"x", "y", "weight"},
    "squash": {"x"},
    "category_rows_forward": {"z"},
    "category_rows_backward": {"dweight"},
    "embedding_forward": {"x"},
    "embedding_backward": {"dtable"},
    "number_embedding_forward": {"x"},
    "number_embedding_backward": {"dtable"},
    "sgd_group_step": {"weight"},
    "adam_group_step": {"weight"},
    "singular_value_threshold": {"weight", "norms"},
}


class Case(NamedTuple):
    """One call of a kernel, with the size of the terms whose rounding its results carry."""

    kernel: str
    arguments: dict[str, Any]
    magnitude: float = 1.0
    forward: "Case | None" = None  # to run before, for scratch that only its own library reads

    def run(
        self,
        kernels: ModuleType,
        convert: Callable[[np.ndarray], Any] = np.copy,
        same: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Call the kernel on converted copies of the arguments; return them all.

        ``same`` names arguments that are the very array of another one.
        """
        arguments = {}
        for name, value in self.arguments.items():
            convert_one = np.copy if name in ON_HOST else convert
            arguments[name] = convert_one(value) if isinstance(value, np.ndarray) else value
        arguments |= {name: arguments[other] for name, other in same.items()}
        if self.forward:
            arguments["statistics"] = self.forward.run(kernels, convert)["statistics"]
        getattr(kernels, self.kernel)(*arguments.values())
        return arguments

    def is_output(self, name: str) -> bool:
        """Whether the kernel writes this argument, scratch aside."""
        return name in OUTPUTS | IN_PLACE.get(self.kernel, set())

    def compare(self, got: dict[str, Any], want: dict[str, Any], ulps: float = 100.0) -> None:
        """Outputs agree to rounding, untouched places included; inputs are unchanged."""
        for name, expected in want.items():
            if not isinstance(expected, np.ndarray) or name in SCRATCH:
                continue
            actual = np.asarray(got[name])
            if name == "statistics":
                actual, expected = actual[:, :, :4], expected[:, :, :4]
                # How a mean is split into two parts depends on its last digits.
                actual, expected = _joined(actual), _joined(expected)
            if not self.is_output(name):
                np.testing.assert_array_equal(actual, self.arguments[name], err_msg=name)
                continue
            tolerance = ulps * np.finfo(_compute_dtype(self.arguments)).eps
            np.testing.assert_allclose(
                actual, expected, rtol=tolerance, atol=tolerance * self.magnitude, err_msg=name
            )
            assert actual.dtype == expected.dtype


def poison(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    """NaN everywhere, so that what is read before it is written shows."""
    return np.full(shape, np.nan, dtype=dtype)


def _joined(statistics: np.ndarray) -> np.ndarray:
    mean = statistics[:, :, 0].astype(np.float64) + statistics[:, :, 1]
    return np.stack([mean, statistics[:, :, 2], statistics[:, :, 3]], axis=2)


def _compute_dtype(arguments: dict[str, Any]) -> Any:
    last = [v for v in arguments.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    found = (v.dtype for v in last)
    return min(found, key=lambda dtype: dtype.itemsize, default=np.dtype(float))
