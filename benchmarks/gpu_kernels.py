"""How far are the fused CUDA kernels from a copy, from an empty launch and from PyTorch's?

All times are the device's, of calls that wait in its queue (see ``Cuda.queued``): what the host
takes to launch them does not count, for anyone.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gpu_device import Device, Launches, device_times, failure, over
from timing import markdown

COPY_BAR, TORCH_BAR, EMPTY_BAR = 0.85, 1.0, 2.0
COPY, EMPTY = "copy", "empty launch"
SMALL_COUNT = 50  # launches of a sample
BLOCKS = (("batch", "gelu"), ("layer", "relu"), ("layer", "gelu"), ("none", "relu"))
WAYS = ("forward", "backward")
Launch = Callable[[], None]


class Block:
    """Arrays of one hidden block of a single network, as the kernels take them."""

    def __init__(self, device: Device, n: int, d: int) -> None:
        xp, self.device, self.n, self.d = device.xp, device, n, d
        rng = np.random.default_rng(0)
        self.host_z, self.host_gradient = rng.standard_normal((2, n, d), dtype=np.float32)
        self.z, self.gradient = (xp.asarray(a[None]) for a in (self.host_z, self.host_gradient))
        self.out, self.dout = xp.empty_like(self.z), self.gradient.copy()
        self.weight = xp.ones((1, n), np.float32)
        self.scale, self.shift = xp.ones((1, d), np.float32), xp.zeros((1, d), np.float32)
        self.dscale, self.dshift = xp.empty_like(self.scale), xp.empty_like(self.shift)
        self.running, self.momentum = xp.ones((1, 2, d)), xp.full(1, 0.1)
        self.statistics = xp.zeros((1, 1, 8, d), np.float32)
        self.accumulators = xp.zeros((1, 2, d))
        self.inverse_std = xp.zeros((1, n), np.float32)
        self.seed, self.rate = xp.ones(1, np.uint32), xp.zeros(1)
        self.no_mask = xp.zeros((1, 0, 0), np.uint8)

    def launches(self, norm: str, activation: str) -> tuple[Launch, Launch]:
        """Forward and backward; the backward pass goes on from its own results."""
        from sknorm.kernels.codes import ACTIVATIONS

        code = ACTIVATIONS[activation]
        return {"batch": self._batch, "layer": self._layer, "none": self._affine}[norm](code)

    def copy(self) -> None:
        """The copy that everything is compared with."""
        self.device.copy(self.z, self.out)

    def _batch(self, activation: int) -> tuple[Launch, Launch]:
        kernels, groups = self.device.kernels, np.array([0, self.n])
        mask = (activation, self.rate, self.seed, 1, 1, self.no_mask, 0, self.d)
        inputs = (self.z, self.weight, self.scale, self.shift, groups)
        forward = partial(
            kernels.batch_block_forward, *inputs, 1e-5, *mask, self.running, self.momentum,
            self.statistics, self.accumulators, self.out,
        )  # fmt: skip
        outputs = (self.accumulators, self.dscale, self.dshift, self.dout)
        backward = partial(kernels.batch_block_backward, *inputs, *mask, self.statistics, *outputs)
        return forward, backward

    def _layer(self, activation: int) -> tuple[Launch, Launch]:
        """The forward pass standardizes its input, a copy of z, in place."""
        kernels, z = self.device.kernels, self.z.copy()
        mask = (activation, self.rate, self.seed, 1, 1, self.no_mask)
        forward = partial(
            kernels.layer_block_forward, z, self.scale, self.shift, 1e-5, *mask,
            self.inverse_std, self.out,
        )  # fmt: skip
        backward = partial(
            kernels.layer_block_backward, z, self.inverse_std, self.scale, self.shift, *mask,
            self.accumulators, self.dscale, self.dshift, self.dout,
        )  # fmt: skip
        return forward, backward

    def _affine(self, activation: int) -> tuple[Launch, Launch]:
        kernels = self.device.kernels
        inputs = (
            self.z,
            self.shift,
            activation,
            self.rate,
            self.seed,
            1,
            1,
            self.no_mask,
            0,
            self.d,
        )
        forward = partial(kernels.affine_block_forward, *inputs, self.out)
        outputs = (self.accumulators, self.dshift, self.dout)
        return forward, partial(kernels.affine_block_backward, *inputs, *outputs)


def kernels_section(device: Device, arguments: argparse.Namespace) -> str:
    """Blocks as large as the memory's speed, not its latency, decides.

    GB/s count the least traffic: under batch norm, whose statistics need all rows, forward reads
    its input twice and writes once, and backward reads its two inputs twice and writes once;
    inputs that the device's cache holds count once, as do those of the other norms.
    """
    block, notes = Block(device, *arguments.kernel_shape), list[str]()
    fused = fused_table(block, arguments, notes)
    rows = [row for kind in BLOCKS for row in _beside_torch(block, *kind, arguments, notes)]
    headers = ["block", "us", "GB/s over a copy's", "PyTorch eager / fused", "compiled / fused"]
    return "\n\n".join([fused, markdown(headers, rows), *notes])


def fused_table(block: Block, arguments: argparse.Namespace, notes: list[str]) -> str:
    """Batch norm and ReLU beside a copy and beside PyTorch."""
    times = _times(block, "batch", "relu", arguments, notes)
    speed = over(2e-9 * block.z.nbytes, times[COPY])
    rows: list[list[Any]] = [[COPY, _us(times[COPY]), speed, *[None] * 7]]
    for way in WAYS:
        own, peers = times[way], _peers(times, way)
        rate = over(1e-9 * traffic(block, "batch", way), own)
        row = [way, _us(own), rate, _verdict(block, over(rate, speed), COPY_BAR)]
        for kind in ("eager", "compiled"):
            name, time = peers.get(kind, ("-", None))
            row += [_us(time), name, _verdict(block, over(time, own), TORCH_BAR)]
        rows.append(row)
    headers = [f"BN+ReLU {block.n} x {block.d}", "us", "GB/s", "over a copy's"]
    for kind in ("eager", "compiled"):
        headers += [f"PyTorch {kind} us", "the fastest", f"{kind} / fused"]
    return markdown(headers, rows)


def traffic(block: Block, norm: str, way: str) -> int:
    """The fewest bytes that a pass has to move."""
    inputs = 1 if way == "forward" else 2
    fits = inputs * block.z.nbytes <= block.device.cache_bytes
    reads = 2 * inputs if norm == "batch" and not fits else inputs
    return (reads + 1) * block.z.nbytes


def small_section(device: Device, arguments: argparse.Namespace) -> str:
    """The kernels of a step whose time is that of their launches."""
    contenders = [Launches(EMPTY, device.launch_nothing, SMALL_COUNT)]
    for name, call in step_kernels(device, *arguments.small_shape).items():
        contenders.append(Launches(name, call, SMALL_COUNT))
    times = device_times(device, contenders, arguments.kernel_repeats)
    rows = [
        [name, _us(time), device.verdict(over(time, times[EMPTY]), EMPTY_BAR, False)]
        for name, time in times.items()
        if name != EMPTY
    ]
    rows.insert(0, [EMPTY, _us(times[EMPTY]), None])
    shape = " x ".join(map(str, arguments.small_shape))
    return markdown([f"kernel, {shape}", "us", "over an empty launch"], rows)


def step_kernels(device: Device, n: int, d: int) -> dict[str, Launch]:
    """Each kernel of a step of batch norm, but the products."""
    block = Block(device, n, d)
    forward, backward = block.launches("batch", "relu")
    return {
        "batch_block_forward": forward,
        "batch_block_backward": backward,
        "multiclass_log_loss": _loss(device, n),
        "adam_step": _adam(device, d),
        "gather": _gather(device, n),
    }


def _loss(device: Device, n: int, outputs: int = 10) -> Launch:
    xp, rng = device.xp, np.random.default_rng(0)
    z = xp.asarray(rng.standard_normal((1, n, outputs), dtype=np.float32))
    y = xp.asarray(rng.integers(outputs, size=(1, n, 1)))
    bias = xp.zeros((1, outputs), np.float32)
    return partial(
        device.kernels.multiclass_log_loss, z, bias, y, xp.ones((1, n), np.float32),
        xp.full(1, 1.0 / n), xp.zeros((1, 1)), xp.zeros(1), xp.empty_like(bias), xp.empty_like(z),
    )  # fmt: skip


def _adam(device: Device, width: int, inputs: int = 64, outputs: int = 10) -> Launch:
    """A step with elastic net on a net of two hidden blocks."""
    xp, rng = device.xp, np.random.default_rng(0)
    sizes = np.array([inputs * width, width * width, width * outputs, 4 * width + outputs])
    segments = np.stack([np.cumsum(sizes) - sizes, sizes, [1, 1, 1, 0]], axis=1).astype(np.int64)
    parameters, gradient = (
        xp.asarray(rng.standard_normal(sizes.sum(), dtype=np.float32)) for _ in range(2)
    )
    first, second = xp.zeros_like(parameters), xp.zeros_like(parameters)
    rate, alpha, l1_ratio = (xp.full(1, value) for value in (1e-3, 1e-4, 0.5))
    return partial(
        device.kernels.adam_step, parameters, gradient, first, second, segments, rate, alpha,
        l1_ratio, 0.9, 0.999, 1e-8, xp.ones(1), False, 1024, xp.zeros((1, 3)),
    )  # fmt: skip


def _gather(device: Device, n: int, columns: int = 64, table_rows: int = 50_000) -> Launch:
    xp, rng = device.xp, np.random.default_rng(0)
    X = xp.asarray(rng.standard_normal((table_rows, columns), dtype=np.float32))
    y, weight = xp.zeros((table_rows, 1), np.int64), xp.ones((1, table_rows), np.float32)
    rows = xp.asarray(rng.permutation(table_rows)[None, :n].astype(np.int64))
    out = xp.empty((1, n, columns), np.float32)
    return partial(
        device.kernels.gather, X, y, weight, rows, xp.zeros((1, columns)), xp.ones((1, columns)),
        out, xp.empty((1, n, 1), np.int64), xp.empty((1, n), np.float32),
    )  # fmt: skip


def _times(
    block: Block, norm: str, activation: str, arguments: argparse.Namespace, notes: list[str]
) -> dict[str, float | None]:
    """Device seconds of a copy, of our passes, and of those of PyTorch that could be built."""
    launches = block.launches(norm, activation)
    launches[0]()  # a backward pass needs its statistics
    contenders = [Launches(COPY, block.copy), *map(Launches, WAYS, launches)]
    if arguments.peers:
        try:
            from torch_device_peer import block_launches
        except ImportError as error:
            notes.append(f"PyTorch: not measured ({failure(error)})")
        else:
            given = (block.host_z, block.host_gradient, norm, activation, arguments.peers, notes)
            contenders += block_launches(block.device, *given)
    return device_times(block.device, contenders, arguments.kernel_repeats)


def _peers(times: dict[str, float | None], way: str) -> dict[str, tuple[str, float]]:
    """The fastest of PyTorch's eager and compiled ways, by name."""
    found: dict[str, tuple[str, float]] = {}
    for name, time in times.items():
        kind, _, rest = name.removesuffix(way).strip().partition(" ")
        if time is None or kind not in ("eager", "compiled") or not name.endswith(way):
            continue
        if kind not in found or time < found[kind][1]:
            found[kind] = rest or "as it is", time
    return found


def _beside_torch(
    block: Block, norm: str, activation: str, arguments: argparse.Namespace, notes: list[str]
) -> list[list[Any]]:
    times = _times(block, norm, activation, arguments, notes)
    speed, rows = over(2e-9 * block.z.nbytes, times[COPY]), []
    for way in WAYS:
        own, peers = times[way], _peers(times, way)
        rate = over(1e-9 * traffic(block, norm, way), own)
        ratios = [over(peers[kind][1], own) if kind in peers else None
                  for kind in ("eager", "compiled")]  # fmt: skip
        cells = [_verdict(block, value, None) for value in (over(rate, speed), *ratios)]
        rows.append([f"{norm}, {activation}: {way}", _us(own), *cells])
    return rows


def _verdict(block: Block, value: float | None, bar: float | None) -> str:
    return block.device.verdict(value, bar)


def _us(time: float | None) -> float | None:
    return over(time, 1e-6)
