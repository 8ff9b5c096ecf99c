"""Random arguments for the kernels of optimizers."""

from typing import Any

import numpy as np
from kernel_case import Case, poison

from sknorm.kernels import codes


def boundaries(inputs: int) -> np.ndarray:
    """Groups of so many rows: half of them of one, then one of 17, some of 3, and what is left."""
    alone, left = (inputs + 1) // 2, inputs // 2
    large = [17] * (left >= 17)
    threes, rest = divmod(left - sum(large), 3)
    sizes = [1] * alone + large + [3] * threes + [rest] * (rest > 0)
    return np.cumsum([0, *sizes], dtype=np.int64)


class StepCases:
    """Builders of cases that need nothing but a random generator, ``rng``."""

    rng: np.random.Generator

    def buffers(self, K: int, dtype: type) -> dict[str, Any]:
        """Flat parameters of matrices under each penalty, one and a scale under none."""
        sizes = np.array([35, 7, 130, 67])
        penalties = [codes.ELASTIC_NET, codes.UNPENALIZED, codes.ELASTIC_NET, codes.L0]
        offsets = K * np.concatenate([[0], np.cumsum(sizes)[:-1]])
        total = K * int(sizes.sum())
        names = ("parameters", "gradient", "state", "other")
        flat = {name: self.rng.normal(size=total).astype(dtype) for name in names}
        flat["parameters"][::5] = 0.0
        flat["state"] *= 0.1
        flat["other"] **= 2
        hyper = {
            "rate": self.rng.uniform(0.1, 0.5, K), "alpha": self.rng.uniform(0.5, 2.0, K),
            "l1_ratio": np.resize([0.3, 0.0, 1.0], K),
        }  # fmt: skip
        segments = np.stack([offsets, sizes, penalties], axis=1).astype(np.int64)
        return flat | {"segments": segments, "hyper": hyper}

    def begin(self, R: int, n: int, index: int, first: int) -> Case:
        """What step ``index`` of an epoch of 7 reads, with two sizes of batches."""
        batches, total = 7, 7 * n - 3
        arguments = {
            "order": self.rng.integers(0, 1000, (R, total)),
            "table": self.rng.normal(size=(batches, 4)), "clock": np.array([index, first]),
            "rows": np.full((R, n), -1), "numbers": poison(4), "step": np.zeros(1, np.uint32),
        }  # fmt: skip
        return Case("begin_step", arguments)

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
            "beta_2": 0.999, "epsilon": 1e-8, "correction": np.linspace(0.3, 0.4, K),
            "decoupled": decoupled, "batch_size": 17, "monitor": self.rng.uniform(size=(K, 3)),
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
        active = np.resize([True, False, True], K)
        return Case("restore_norms", {"weight": weight, "radius": 1.7, "active": active})

    def grouped(self, K: int, inputs: int, outputs: int, dtype: type) -> dict[str, Any]:
        """Weights whose groups are of many sizes, one of them zero; one member has no penalty."""
        groups = boundaries(inputs)
        size = 10.0 ** self.rng.uniform(-3.0, 1.0, (K, len(groups) - 1, 1))
        size[:, 2:3] = 0.0
        size = np.repeat(size, np.diff(groups), axis=1)
        shape = (K, inputs, outputs)
        return {
            "weight": (size * self.rng.normal(size=shape)).astype(dtype),
            "state": (0.1 * self.rng.normal(size=shape)).astype(dtype), "groups": groups,
            "rate": self.rng.uniform(0.1, 0.5, K), "strength": np.resize([1.5, 0.0, 0.7], K),
        }  # fmt: skip

    def group_norms(self, K: int, inputs: int, outputs: int, dtype: type) -> Case:
        """The penalty of groups."""
        g = self.grouped(K, inputs, outputs, dtype)
        monitor = self.rng.uniform(size=(K, 3))
        arguments = {"weight": g["weight"], "groups": g["groups"], "scale": 1.3, "batch_size": 17}
        return Case("group_norms", {**arguments, "monitor": monitor})

    def sgd_group(self, K: int, inputs: int, outputs: int, dtype: type, nesterov: bool) -> Case:
        """The proximal step of groups after one of gradient descent."""
        g = self.grouped(K, inputs, outputs, dtype)
        arguments = {
            "weight": g["weight"], "velocity": g["state"], "groups": g["groups"],
            "rate": g["rate"], "strength": g["strength"], "momentum": 0.9, "nesterov": nesterov,
        }  # fmt: skip
        return Case("sgd_group_step", arguments, 10.0)

    def adam_group(
        self, K: int, inputs: int, outputs: int, dtype: type, decoupled: bool, decades: float = 1.0
    ) -> Case:
        """The proximal step of groups after one of Adam, whose second moments span decades."""
        g = self.grouped(K, inputs, outputs, dtype)
        exponent = self.rng.uniform(-decades, decades, g["weight"].shape)
        largest = int(np.diff(g["groups"]).max()) * outputs
        arguments = {
            "weight": g["weight"], "second": (10.0**exponent).astype(dtype), "groups": g["groups"],
            "rate": g["rate"], "strength": g["strength"], "correction": np.linspace(0.3, 0.4, K),
            "epsilon": 1e-8, "decoupled": decoupled, "scratch": poison(K, largest, dtype=dtype),
        }  # fmt: skip
        return Case("adam_group_step", arguments, 10.0)

    def spectrum(self, K: int, inputs: int, outputs: int, dtype: type) -> Case:
        """Thresholding of singular values, the member in the middle by zero."""
        weight = self.rng.normal(size=(K, inputs, outputs)).astype(dtype)
        threshold = np.resize([1.5, 0.0, 0.7], K)
        arguments = {"weight": weight, "threshold": threshold, "norms": poison(K)}
        return Case("singular_value_threshold", arguments, 10.0)
