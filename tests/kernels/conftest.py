"""Random arguments for every kernel, shared by the tests that compare two implementations."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from sknorm.kernels import codes, reference

STATISTICS_ROWS = 8  # of which the first four are results and the rest scratch

SCRATCH = {"accumulators"}
OUTPUTS = {
    "x_out", "y_out", "weight_out", "out", "running", "statistics", "dscale", "dshift", "dout",
    "inverse_std", "moments", "value", "dbias", "parameters", "velocity", "first", "second",
    "monitor",
}  # fmt: skip
IN_PLACE = {
    "layer_block_forward": {"z"},
    "clip_gradient": {"gradient"},
    "restore_norms": {"weight"},
}


class Case(NamedTuple):
    """One call of a kernel, with the size of the terms whose rounding its results carry."""

    kernel: str
    arguments: dict[str, Any]
    magnitude: float = 1.0
    forward: "Case | None" = None  # to run before, for scratch that only its own library reads

    def run(
        self, kernels: ModuleType, convert: Callable[[np.ndarray], Any] = np.copy
    ) -> dict[str, Any]:
        """Call the kernel on converted copies of the arguments; return them all."""
        arguments = {
            name: convert(value) if isinstance(value, np.ndarray) else value
            for name, value in self.arguments.items()
        }
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


class Cases:
    """Builders of cases; pure outputs are poisoned with NaN."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def key(self, K: int, rate: float) -> dict[str, Any]:
        """Dropout arguments; the second member of a stack has no dropout."""
        rates = np.full(K, rate)
        rates[1:2] = 0.0
        seed = self.rng.integers(0, 2**32, K, dtype=np.uint32)
        return {"rate": rates, "seed": seed, "step": 2**31 + 12345, "layer": 3}

    def hidden(self, K: int, n: int, d: int, dtype: type) -> dict[str, Any]:
        """Pre-activations whose column means reach 1000 standard deviations, and affine maps."""
        location = self.rng.normal(size=(K, 1, d)) * 10.0 ** self.rng.uniform(-2, 3, (K, 1, d))
        z = location + self.rng.normal(size=(K, n, d))
        scale, shift = self.rng.uniform(0.5, 1.5, (K, d)), self.rng.normal(size=(K, d))
        arrays = {"z": z, "scale": scale, "shift": shift}
        return {name: array.astype(dtype) for name, array in arrays.items()}

    def weights(self, R: int, n: int, dtype: type) -> np.ndarray:
        """Row weights, some of them zero, but no group without weight."""
        weight = self.rng.uniform(0.2, 3.0, (R, n))
        if n >= 7:
            weight[:, 2::3] = 0.0
        return weight.astype(dtype)

    def batch(
        self, K: int, n: int, d: int, dtype: type, activation: int = codes.RELU,
        rate: float = 0.0, groups: tuple[int, ...] = (), shared: bool = True,
        columns: tuple[int, int] | None = None,
    ) -> Case:  # fmt: skip
        """Forward pass under batch or ghost normalization."""
        h = self.hidden(K, n, d, dtype)
        bounds = np.array(groups or (0, n), dtype=np.int64)
        start, stop = columns or (0, d)
        arguments = {
            "z": h["z"], "weight": self.weights(1 if shared else K, n, dtype),
            "scale": h["scale"], "shift": h["shift"], "groups": bounds, "epsilon": 1e-5,
            "activation": activation, **self.key(K, rate), "start": start, "stop": stop,
            "running": self.rng.uniform(0.5, 2.0, (K, 2, d)),
            "momentum": np.array([0.1, 0.0, 1.0])[:K],
            "statistics": poison(K, bounds.size - 1, STATISTICS_ROWS, d, dtype=dtype),
            "accumulators": poison(K, 2, d), "out": poison(K, n, d, dtype=dtype),
        }  # fmt: skip
        return Case("batch_block_forward", arguments, 10.0)

    def batch_backward(self, *args: Any, **kwargs: Any) -> Case:
        """Backward pass after the reference's forward pass."""
        forward = self.batch(*args, **kwargs)
        done = forward.run(reference)
        names = (
            "z", "weight", "scale", "shift", "groups", "activation", "rate", "seed", "step",
            "layer", "start", "stop",
        )  # fmt: skip
        z, columns = done["z"], slice(done["start"], done["stop"])
        arguments = {name: done[name] for name in names}
        arguments["statistics"] = done["statistics"]
        arguments |= self.gradients(z, ("dscale", "dshift"))
        gain = np.max(np.abs(done["statistics"][:, :, 3, columns]))
        return Case("batch_block_backward", arguments, 4.0 * max(gain, z.shape[1]), forward)

    def layer(
        self, K: int, n: int, d: int, dtype: type, activation: int = codes.RELU, rate: float = 0.0
    ) -> Case:
        """Forward pass under layer normalization."""
        h = self.hidden(K, n, d, dtype)
        arguments = {
            **h, "epsilon": 1e-5, "activation": activation, **self.key(K, rate),
            "inverse_std": poison(K, n, dtype=dtype), "out": poison(K, n, d, dtype=dtype),
        }  # fmt: skip
        return Case("layer_block_forward", arguments, 10.0)

    def layer_backward(self, *args: Any, **kwargs: Any) -> Case:
        """Backward pass after the reference's forward pass."""
        done = self.layer(*args, **kwargs).run(reference)
        names = (
            "z", "inverse_std", "scale", "shift", "activation", "rate", "seed", "step", "layer"
        )  # fmt: skip
        arguments = {name: done[name] for name in names}
        arguments |= self.gradients(done["z"], ("dscale", "dshift"))
        inverse = float(np.max(done["inverse_std"]))
        return Case("layer_block_backward", arguments, 4.0 * max(inverse, done["z"].shape[1]))

    def affine(
        self, K: int, n: int, d: int, dtype: type, activation: int = codes.RELU,
        rate: float = 0.0, columns: tuple[int, int] | None = None,
    ) -> Case:  # fmt: skip
        """Forward pass without normalization, over the range where activations bend."""
        z = (self.rng.normal(size=(K, n, d)) * 4.0).astype(dtype)
        start, stop = columns or (0, d)
        arguments = {
            "z": z, "shift": self.rng.normal(size=(K, d)).astype(dtype), "activation": activation,
            **self.key(K, rate), "start": start, "stop": stop, "out": poison(K, n, d, dtype=dtype),
        }  # fmt: skip
        return Case("affine_block_forward", arguments)

    def affine_backward(self, *args: Any, **kwargs: Any) -> Case:
        """Backward pass."""
        arguments = dict(self.affine(*args, **kwargs).arguments)
        del arguments["out"]
        z = arguments["z"]
        return Case(
            "affine_block_backward", arguments | self.gradients(z, ("dshift",)), 4.0 * z.shape[1]
        )

    def gradients(self, z: np.ndarray, sums: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Trailing arguments of a backward pass."""
        K, _, d = z.shape
        arguments = {"accumulators": poison(K, 2, d)}
        arguments |= {name: poison(K, d, dtype=z.dtype) for name in sums}
        return arguments | {"dout": self.rng.normal(size=z.shape).astype(z.dtype)}

    def loss(self, name: str, K: int, n: int, o: int, dtype: type, shared: bool = True) -> Case:
        """One of the losses; targets and weights are shared or not, independently."""
        z = (self.rng.normal(size=(K, n, o)) * 5.0).astype(dtype)
        R = 1 if shared else K
        y = self.rng.uniform(size=(R, n, o)).astype(dtype)
        if name == "multiclass_log_loss":
            y = self.rng.integers(0, o, (R, n, 1))
        arguments = {
            "z": z, "bias": self.rng.normal(size=(K, o)).astype(dtype), "y": y,
            "weight": self.weights(K if shared else 1, n, dtype),
            "factor": self.rng.uniform(0.1, 1.0, K), "value": self.rng.uniform(size=K),
            "dbias": poison(K, o, dtype=dtype), "out": poison(K, n, o, dtype=dtype),
        }  # fmt: skip
        return Case(name, arguments, 4.0 * n)

    def gather(
        self, R: int, M: int, n: int, d: int, dtype: type, x_dtype: type, classes: bool
    ) -> Case:
        """Rows of a table, with repetitions."""
        N, rng = 50, self.rng
        y = rng.integers(0, 5, (N, 1)) if classes else rng.normal(size=(N, 2)).astype(dtype)
        o = y.shape[1]
        y_out = np.full((R, n, o), -1) if classes else poison(R, n, o, dtype=dtype)
        arguments = {
            "X": (1e4 + rng.normal(size=(N, d))).astype(x_dtype), "y": y,
            "weight": rng.uniform(size=(M, N)).astype(dtype),
            "rows": rng.integers(0, N, (R, n)), "offset": np.full(d, 1e4),
            "factor": rng.uniform(0.5, 2.0, d), "x_out": poison(R, n, d, dtype=dtype),
            "y_out": y_out, "weight_out": poison(max(R, M), n, dtype=dtype),
        }  # fmt: skip
        return Case("gather", arguments)

    def moments(self, K: int, n: int, d: int, dtype: type, shared: bool) -> Case:
        """Column moments."""
        z = self.hidden(K, n, d, dtype)["z"]
        weight = self.weights(1 if shared else K, n, dtype)
        arguments = {"z": z, "weight": weight, "moments": poison(K, 2, d)}
        return Case("column_moments", arguments)

    def dropout(self, K: int, n: int, d: int, dtype: type) -> Case:
        """Dropout alone."""
        out = self.rng.normal(size=(K, n, d)).astype(dtype)
        return Case("dropout", self.key(K, 0.3) | {"out": out})

    def matmul(self, K: int, broadcast: bool, dtype: type) -> Case:
        """Product of stacks; the first factor may be shared."""
        a = self.rng.normal(size=(1 if broadcast else K, 7, 33)).astype(dtype)
        b = self.rng.normal(size=(K, 33, 5)).astype(dtype)
        return Case("matmul", {"a": a, "b": b, "out": poison(K, 7, 5, dtype=dtype)}, 10.0)

    def buffers(self, K: int, dtype: type) -> dict[str, Any]:
        """Flat parameters of a weight matrix, a scale and another matrix, and a penalty."""
        sizes, penalized = np.array([35, 7, 130]), np.array([1, 0, 1])
        offsets = K * np.concatenate([[0], np.cumsum(sizes)[:-1]])
        total = K * int(sizes.sum())
        names = ("parameters", "gradient", "state", "other")
        flat = {name: self.rng.normal(size=total).astype(dtype) for name in names}
        flat["parameters"][::5] = 0.0
        flat["state"] *= 0.1
        flat["other"] **= 2
        hyper = {
            "rate": self.rng.uniform(0.1, 0.5, K), "alpha": self.rng.uniform(0.5, 2.0, K),
            "l1_ratio": np.array([0.3, 0.0, 1.0])[:K],
        }  # fmt: skip
        segments = np.stack([offsets, sizes, penalized], axis=1).astype(np.int64)
        return flat | {"segments": segments, "hyper": hyper}

    def sgd(self, K: int, dtype: type, momentum: float, nesterov: bool) -> Case:
        """A step of proximal gradient descent."""
        b = self.buffers(K, dtype)
        arguments = {
            "parameters": b["parameters"], "gradient": b["gradient"], "velocity": b["state"],
            "segments": b["segments"], **b["hyper"], "momentum": momentum, "nesterov": nesterov,
            "batch_size": 17, "monitor": self.rng.uniform(size=(K, 3)),
        }  # fmt: skip
        return Case("sgd_step", arguments)

    def adam(self, K: int, dtype: type, decoupled: bool) -> Case:
        """A step of proximal Adam or AdamW."""
        b = self.buffers(K, dtype)
        arguments = {
            "parameters": b["parameters"], "gradient": b["gradient"], "first": b["state"],
            "second": b["other"], "segments": b["segments"], **b["hyper"], "beta_1": 0.9,
            "beta_2": 0.999, "epsilon": 1e-8, "correction": 0.37, "decoupled": decoupled,
            "batch_size": 17, "monitor": self.rng.uniform(size=(K, 3)),
        }  # fmt: skip
        return Case("adam_step", arguments)

    def clip(self, K: int, dtype: type, max_norm: float) -> Case:
        """Gradient clipping."""
        b = self.buffers(K, dtype)
        arguments = {"gradient": b["gradient"], "segments": b["segments"], "max_norm": max_norm}
        return Case("clip_gradient", arguments)

    def norms(self, K: int, dtype: type) -> Case:
        """Restoring the norms of columns, one of them zero."""
        weight = self.rng.normal(size=(K, 9, 5)).astype(dtype)
        weight[:, :, 2] = 0.0
        active = np.array([True, False, True])[:K]
        return Case("restore_norms", {"weight": weight, "radius": 1.7, "active": active})

    def every(self, K: int, dtype: type) -> Iterator[Case]:
        """One or more cases of each kernel, at odd sizes."""
        size = (K, 7, 5, dtype)
        for activation in codes.ACTIVATIONS.values():
            for build in (self.layer, self.layer_backward, self.affine, self.affine_backward):
                yield build(*size, activation, 0.4)
            yield self.batch(*size, activation, 0.4, (0, 3, 7), False, (1, 4))
            yield self.batch_backward(*size, activation, 0.4, (0, 3, 7), False, (1, 4))
        for name in ("binary_log_loss", "multiclass_log_loss", "squared_error"):
            yield self.loss(name, K, 7, 3, dtype)
        for classes in (False, True):
            yield self.gather(1, K, 6, 4, dtype, np.float32, classes)
        yield self.moments(*size, True)
        yield self.dropout(*size)
        yield self.matmul(K, True, dtype)
        for flag in (False, True):
            yield self.sgd(K, dtype, 0.9, flag)
            yield self.adam(K, dtype, flag)
        yield self.clip(K, dtype, 0.5)
        yield self.norms(K, dtype)


def poison(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    """NaN everywhere, so that what is read before it is written shows."""
    return np.full(shape, np.nan, dtype=dtype)


def _joined(statistics: np.ndarray) -> np.ndarray:
    mean = statistics[:, :, 0].astype(np.float64) + statistics[:, :, 1]
    return np.stack([mean, statistics[:, :, 2], statistics[:, :, 3]], axis=2)


def _compute_dtype(arguments: dict[str, Any]) -> Any:
    last = [v for v in arguments.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return min((v.dtype for v in last), key=lambda dtype: dtype.itemsize)


@pytest.fixture
def cases() -> Cases:
    """Builders of random arguments."""
    return Cases()
