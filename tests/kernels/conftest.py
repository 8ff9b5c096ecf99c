"""Random arguments for every kernel, shared by the tests that compare two implementations."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_device import DeviceMachine, device_machine
from cuda_host import COMPILER, HostRuntime
from cuda_machine import Machine
from kernel_case import LOSSES, Case, poison
from step_cases import StepCases

from sknorm.kernels import codes, reference
from sknorm.kernels.cuda import launcher

STATISTICS_ROWS = 8  # of which the first four are results and the rest scratch

DEVIANCES = ("poisson", "gamma")

# Columns of numbers with several bins, none, one, and several again, in any order.
NUMBERS = ((3, 3, 0, 3, 5), (2, 0, 0, 0, 0), (0, 2, 18, 8, 1), (6, 4, 22, 0, 3))


class Cases(StepCases):
    """Builders of cases; pure outputs are poisoned with NaN."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def key(self, K: int, rate: float) -> dict[str, Any]:
        """Dropout arguments; the second member of a stack has no dropout."""
        rates = np.full(K, rate)
        rates[1:2] = 0.0
        seed = self.rng.integers(0, 2**32, K, dtype=np.uint32)
        return {"rate": rates, "seed": seed, "step": 2**31 + 12345, "layer": 3}

    def drop(self, K: int, rate: float) -> dict[str, Any]:
        """Dropout arguments of a block that does not keep its mask."""
        return self.key(K, rate) | {"mask": np.zeros((K, 0, 0), dtype=np.uint8)}

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
            "activation": activation, **self.drop(K, rate), "start": start, "stop": stop,
            "running": self.rng.uniform(0.5, 2.0, (K, 2, d)),
            "momentum": np.resize([0.1, 0.0, 1.0], K),
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
            "layer", "mask", "start", "stop",
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
            **h, "epsilon": 1e-5, "activation": activation, **self.drop(K, rate),
            "inverse_std": poison(K, n, dtype=dtype), "out": poison(K, n, d, dtype=dtype),
        }  # fmt: skip
        return Case("layer_block_forward", arguments, 10.0)

    def layer_backward(self, *args: Any, **kwargs: Any) -> Case:
        """Backward pass after the reference's forward pass."""
        done = self.layer(*args, **kwargs).run(reference)
        names = (
            "z", "inverse_std", "scale", "shift", "activation", "rate", "seed", "step", "layer",
            "mask",
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
            **self.drop(K, rate), "start": start, "stop": stop, "out": poison(K, n, d, dtype=dtype),
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
        """One of the losses of o targets; targets and weights are shared or not, independently."""
        levels = min(o, 3) if name == "pinball" else 1
        z = self.rng.normal(size=(K, n, o * levels)) * (2.0 if name in DEVIANCES else 5.0)
        arguments = {
            "z": z.astype(dtype), "bias": self.rng.normal(size=(K, o * levels)).astype(dtype),
            "y": self.targets(name, 1 if shared else K, n, o, dtype),
            "weight": self.weights(K if shared else 1, n, dtype),
            "factor": self.rng.uniform(0.1, 1.0, K), "parameter": self.parameter(name, K, levels),
            "value": self.rng.uniform(size=K), "dbias": poison(K, o * levels, dtype=dtype),
            "out": poison(K, n, o * levels, dtype=dtype),
        }  # fmt: skip
        return Case(name, arguments, 4.0 * n)

    def targets(self, name: str, R: int, n: int, o: int, dtype: type) -> np.ndarray:
        """Targets in the range of the loss."""
        if name == "multiclass_log_loss":
            return self.rng.integers(0, o, (R, n, 1))
        y = self.rng.uniform(size=(R, n, o))
        if name == "soft_multiclass_log_loss":
            y /= y.sum(axis=2, keepdims=True)
        if name == "poisson":
            y[:, ::3] = 0.0
        return y.astype(dtype)

    def parameter(self, name: str, K: int, levels: int) -> np.ndarray:
        """Smoothing (none for the second member), width of a square, levels, or nothing."""
        if name == "pinball":
            return self.rng.uniform(0.1, 0.9, (K, levels))
        if name == "huber":
            return self.rng.uniform(2.0, 8.0, (K, 1))
        smoothing = self.rng.uniform(0.1, 0.9, (K, 1 if name.endswith("log_loss") else 0))
        smoothing[1:2] = 0.0
        return smoothing

    def gather(
        self, R: int, M: int, n: int, d: int, dtype: type, x_dtype: type, classes: bool
    ) -> Case:
        """Rows of a table under R views, with repetitions; the last view comes first."""
        N, V, rng = 50, R, self.rng
        y = rng.integers(0, 5, (V * N, 1)) if classes else rng.normal(size=(V * N, 2)).astype(dtype)
        o = y.shape[1]
        y_out = np.full((R, n, o), -1) if classes else poison(R, n, o, dtype=dtype)
        arguments = {
            "X": (1e4 + rng.normal(size=(N, d))).astype(x_dtype), "y": y,
            "weight": rng.uniform(size=(M, V * N)).astype(dtype),
            "rows": rng.integers(0, N, (R, n)) + N * np.arange(R)[::-1, None],
            "offset": 1e4 + rng.normal(size=(V, d)), "factor": rng.uniform(0.5, 2.0, (V, d)),
            "x_out": poison(R, n, d, dtype=dtype), "y_out": y_out,
            "weight_out": poison(max(R, M), n, dtype=dtype),
        }  # fmt: skip
        return Case("gather", arguments)

    def gather_sparse(
        self, R: int, M: int, n: int, d: int, dtype: type, x_dtype: type, index: type
    ) -> Case:
        """Rows of a sparse table, some empty, their entries in random order."""
        dense = self.gather(R, M, n, d, dtype, x_dtype, False).arguments
        X = dense.pop("X")
        X[self.rng.uniform(size=X.shape) < 0.7] = 0.0
        X[::4] = 0.0
        row, column = self.rng.permutation(np.argwhere(X).reshape(-1, 2)).T
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(X)))])
        order = np.argsort(row, kind="stable")
        arguments = {
            "values": X[row, column][order], "columns": column[order].astype(index),
            "starts": starts.astype(index),
        }  # fmt: skip
        return Case("gather_sparse", arguments | dense)

    def squash(self, R: int, n: int, d: int, dtype: type) -> Case:
        """Columns with gaps, some of them clipped, and more columns beside them."""
        N, V, rng = 50, R, self.rng
        x = (3.0 * rng.normal(size=(R, n, d + 3))).astype(dtype)
        x[rng.uniform(size=x.shape) < 0.2] = np.nan
        clip = rng.uniform(0.1, 1.0, (V, d)) * (rng.uniform(size=(V, d)) < 0.7)
        rows = rng.integers(0, N, (R, n)) + N * np.arange(R)[::-1, None]
        arguments = {"rows": rows, "count": N, "clip": clip, "fill": rng.normal(size=(V, d))}
        return Case("squash", arguments | {"x": x})

    def take_codes(self, R: int, n: int, levels: tuple[int, ...]) -> Case:
        """Columns of so many levels each, some without a place, one missing, under R views."""
        N, V, rng = 50, R, self.rng
        width = len(levels)
        codes = np.stack([rng.integers(0, count, N) for count in (4, *reversed(levels))], 1)
        places = rng.integers(-1, 9, (V, sum(levels)))
        places[:, :1] = -1
        columns = np.arange(width, 0, -1)
        columns[1:2] = -1
        arguments = {
            "codes": codes.astype(np.int32), "columns": columns,
            "rows": rng.integers(0, N, (R, n)) + N * np.arange(R)[::-1, None],
            "starts": np.cumsum([0, *levels])[:width], "places": places.astype(np.int32),
            "out": np.full((R, n, width), -7, dtype=np.int32),
        }  # fmt: skip
        return Case("take_codes", arguments)

    def drop_codes(self, K: int, n: int, c: int) -> Case:
        """Places of which some are dropped."""
        out = self.rng.integers(-1, 9, (K, n, c)).astype(np.int32)
        return Case("drop_codes", self.key(K, 0.3) | {"out": out})

    def mixed(self, R: int, K: int, n: int, levels: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Places of columns of so many levels each; the second member's rows are not mixed."""
        codes = np.stack([self.rng.integers(-1, count, (R, n)) for count in levels], axis=2)
        rate = np.resize([0.25, 0.0, 0.5], K)
        share = np.resize([0.3, 1.0, 0.0], K)
        return {"codes": codes.astype(np.int32), "share": share, "rate": rate}

    def category_rows(self, R: int, K: int, n: int, d: int, dtype: type) -> Case:
        """Rows of weights that three of four columns have."""
        first, rng = 2, self.rng
        mixed = self.mixed(R, K, n, (3, 9, 6, 5))
        arguments = {
            "codes": mixed.pop("codes"), "columns": np.array([0, 3, 2]), **mixed,
            "weight": rng.normal(size=(K, first + 6, d)).astype(dtype), "first": first,
            "start": d // 3, "stop": d, "z": rng.normal(size=(K, n, d)).astype(dtype),
        }  # fmt: skip
        return Case("category_rows_forward", arguments, 10.0)

    def category_rows_backward(self, R: int, K: int, n: int, d: int, dtype: type) -> Case:
        """Their gradient."""
        forward = self.category_rows(R, K, n, d, dtype).arguments
        z, weight = forward.pop("z"), forward.pop("weight")
        codes = {name: forward.pop(name) for name in ("codes", "columns", "share", "rate")}
        arguments = {**codes, "dz": z, **forward, "dweight": poison(*weight.shape, dtype=dtype)}
        arguments["dweight"][...] = -5.0  # what is beside the rows and columns stays
        return Case("category_rows_backward", arguments, 10.0 * np.sqrt(n))

    def embedding(self, R: int, K: int, n: int, dtype: type) -> Case:
        """Two embedded columns of three, which stand apart in the input."""
        rng = self.rng
        plan = np.array([[2, 1, 3, 0, 5], [0, 7, 2, 15, 4]])
        arguments = {
            **self.mixed(R, K, n, (4, 7, 5)), "plan": plan,
            "table": rng.normal(size=(K, 23)).astype(dtype),
            "x": rng.normal(size=(K, n, 10)).astype(dtype),
        }  # fmt: skip
        return Case("embedding_forward", arguments, 10.0)

    def embedding_backward(self, R: int, K: int, n: int, dtype: type) -> Case:
        """Their gradient; the input's columns from the first embedded one on have one."""
        arguments = self.embedding(R, K, n, dtype).arguments
        x, table = arguments.pop("x"), arguments.pop("table")
        arguments |= {"first": 1, "dx": x[:, :, 1:].copy()}
        arguments["dtable"] = poison(*table.shape, dtype=dtype)
        return Case("embedding_backward", arguments, 10.0 * np.sqrt(n))

    def number_embedding(
        self, R: int, K: int, n: int, dtype: type, views: int | None = None,
        plan: tuple[tuple[int, ...], ...] = NUMBERS,
    ) -> Case:  # fmt: skip
        """Numbers below all bins, on edges and beyond, and columns of x that no number has.

        In the last view the first column lacks its last two bins.
        """
        N, rng = 50, self.rng
        V = R if views is None else views
        rows = np.array(plan, dtype=np.int64).reshape(-1, 5)
        low, gain = np.zeros((V, rows[:, 4].sum())), np.zeros((V, rows[:, 4].sum()))
        numbers = rng.normal(size=(R, n, len(plan))).astype(dtype)
        for column, (*_, start, bins) in enumerate(plan):
            edges = np.sort(rng.normal(size=(V, bins + 1)).astype(dtype).astype(float), axis=1)
            own = slice(start, start + bins)
            low[:, own], gain[:, own] = edges[:, :-1], 1.0 / np.diff(edges, axis=1)
            on = rng.uniform(size=(R, n)) < 0.4
            numbers[on, column] = rng.choice(edges.ravel(), on.sum())
        if plan and plan[0][4] > 2:
            last = slice(plan[0][3] + plan[0][4] - 2, plan[0][3] + plan[0][4])
            low[-1, last], gain[-1, last] = np.inf, 0.0
        view = np.arange(V)[::-1][:R, None]
        t = ((1 + rows[:, 4]) * rows[:, 1]).sum()
        m = 2 + np.maximum(rows[:, 1], 1).sum()
        arguments = {
            "rows": rng.integers(0, N, (R, n)) + N * view, "count": N, "low": low, "gain": gain,
            "plan": rows, "numbers": numbers, "table": rng.normal(size=(K, t)).astype(dtype),
            "sums": poison(K, t, dtype=dtype), "x": rng.normal(size=(K, n, m)).astype(dtype),
        }  # fmt: skip
        return Case("number_embedding_forward", arguments, 10.0)

    def number_embedding_backward(
        self, R: int, K: int, n: int, dtype: type, *args: Any, **kwargs: Any
    ) -> Case:
        """The gradient of their vectors."""
        arguments = self.number_embedding(R, K, n, dtype, *args, **kwargs).arguments
        table, sums, x = (arguments.pop(name) for name in ("table", "sums", "x"))
        arguments |= {"dx": x, "sums": sums, "dtable": poison(*table.shape, dtype=dtype)}
        return Case("number_embedding_backward", arguments, 10.0 * np.sqrt(n))

    def moments(self, K: int, n: int, d: int, dtype: type, shared: bool) -> Case:
        """Column moments."""
        z = self.hidden(K, n, d, dtype)["z"]
        weight = self.weights(1 if shared else K, n, dtype)
        arguments = {"z": z, "weight": weight, "moments": poison(K, 2, d)}
        return Case("column_moments", arguments)

    def extremes(self, K: int, n: int, d: int, dtype: type) -> Case:
        """Column extremes, some of them beyond those of the rows already."""
        seen = np.sort(self.rng.normal(size=(K, 2, d)) * 3.0, axis=1)
        z = self.rng.normal(size=(K, n, d)).astype(dtype)
        return Case("column_extremes", {"z": z, "extremes": seen})

    def dropout(self, K: int, n: int, d: int, dtype: type) -> Case:
        """Dropout alone."""
        out = self.rng.normal(size=(K, n, d)).astype(dtype)
        return Case("dropout", self.key(K, 0.3) | {"out": out})

    def noise(self, K: int, n: int, d: int, dtype: type) -> Case:
        """Normal noise."""
        key = self.key(K, 0.3)
        arguments = {"deviation": key.pop("rate")} | key
        return Case("noise", arguments | {"out": self.rng.normal(size=(K, n, d)).astype(dtype)})

    def onto(self, kernel: str, K: int, n: int, d: int, dtype: type) -> Case:
        """An array that is added to another one, or copied."""
        x, out = (self.rng.normal(size=(K, n, d)).astype(dtype) for _ in range(2))
        if kernel == "copy":
            out[...] = np.nan
        return Case(kernel, {"x": x, "out": out})

    def mixup(self, K: int, n: int, d: int, dtype: type) -> Case:
        """Mixtures of rows; the second member of a stack keeps its own."""
        shapes = {"x": (K, n, d), "y": (K, n, 2), "weight": (K, n)}
        arrays = {key: self.rng.normal(size=shape).astype(dtype) for key, shape in shapes.items()}
        return Case("mixup", {"share": np.resize([0.3, 1.0, 0.0], K)} | arrays)

    def matmul(self, K: int, broadcast: bool, dtype: type) -> Case:
        """Product of stacks; the first factor may be shared."""
        a = self.rng.normal(size=(1 if broadcast else K, 7, 33)).astype(dtype)
        b = self.rng.normal(size=(K, 33, 5)).astype(dtype)
        return Case("matmul", {"a": a, "b": b, "out": poison(K, 7, 5, dtype=dtype)}, 10.0)

    def every(self, K: int, dtype: type) -> Iterator[Case]:
        """One or more cases of each kernel, at odd sizes."""
        size = (K, 7, 5, dtype)
        for activation in codes.ACTIVATIONS.values():
            for build in (self.layer, self.layer_backward, self.affine, self.affine_backward):
                yield build(*size, activation, 0.4)
            yield self.batch(*size, activation, 0.4, (0, 3, 7), False, (1, 4))
            yield self.batch_backward(*size, activation, 0.4, (0, 3, 7), False, (1, 4))
        for name in LOSSES:
            yield self.loss(name, K, 7, 3, dtype)
        for classes in (False, True):
            yield self.gather(1, K, 6, 4, dtype, np.float32, classes)
        for index in (np.int32, np.int64):
            yield self.gather_sparse(1, K, 6, 4, dtype, np.float32, index)
        yield self.begin(1, 7, 3, 2**32 - 1)
        yield self.extremes(*size)
        yield self.moments(*size, True)
        yield self.onto("add", *size)
        yield self.onto("copy", *size)
        yield self.dropout(*size)
        yield self.noise(*size)
        yield self.mixup(*size)
        yield self.squash(K, 6, 4, dtype)
        yield self.take_codes(1, 6, (3, 5))
        yield self.drop_codes(K, 7, 3)
        yield self.category_rows(K, K, 7, 5, dtype)
        yield self.category_rows_backward(K, K, 7, 5, dtype)
        yield self.embedding(K, K, 7, dtype)
        yield self.embedding_backward(K, K, 7, dtype)
        yield self.number_embedding(K, K, 7, dtype)
        yield self.number_embedding_backward(K, K, 7, dtype)
        yield self.matmul(K, True, dtype)
        for flag in (False, True):
            yield self.sgd(K, dtype, 0.9, flag)
            yield self.adam(K, dtype, flag)
        yield self.clip(K, dtype, 0.5)
        yield self.norms(K, dtype)
        yield self.group_norms(*size)
        yield self.spectrum(*size)
        for flag in (False, True):
            yield self.sgd_group(*size, flag)
            yield self.adam_group(*size, flag)


@pytest.fixture
def cases() -> Cases:
    """Builders of random arguments."""
    return Cases()


@pytest.fixture
def host_cuda(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Iterator[HostRuntime]:
    """The CUDA kernels on the host; nothing is written beside an array."""
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA kernels for the host")
    runtime = HostRuntime(pytestconfig.cache.mkdir("cuda_host"))
    monkeypatch.setattr(launcher, "runtime", runtime)
    yield runtime
    runtime.check_guards()


@pytest.fixture
def device_cuda() -> Iterator[DeviceMachine]:
    """The CUDA kernels on a device, likewise."""
    with device_machine() as machine:
        yield machine


@pytest.fixture(params=["host", pytest.param("device", marks=pytest.mark.gpu)])
def cuda_machine(request: pytest.FixtureRequest) -> Machine:
    """The CUDA kernels, on the host and on a device."""
    return request.getfixturevalue(f"{request.param}_cuda")
