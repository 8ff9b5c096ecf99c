"""How far is each compiled kernel from a plain copy of its array, and from PyTorch's?

1024 x 256 float32 unless asked otherwise, one thread. Kernels that work in place get their input
restored by a copy before each call; the time of that copy, measured alongside, is subtracted.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    repeated,
    restart_with_threads,
    verdict,
)

FORWARD_COPY_BAR, FORWARD_TORCH_BAR, BACKWARD_TORCH_BAR = 3, 2, 2.5
COPY = "copy"
Measure = Callable[[list[Contender]], dict[str, float]]


def main() -> None:
    """Print the fused block beside PyTorch's, all blocks, and the other kernels."""
    arguments = parse_arguments()
    restart_with_threads(1)
    print(f"{describe_machine()}\n- {arguments.clock} time\n")
    block = Block(arguments.rows, arguments.columns)
    sections = {"fused": fused_table, "blocks": blocks_table, "others": others_table}
    measure = partial(interleave, repeats=arguments.repeats, clock=arguments.clock)
    for name in arguments.sections:
        print(sections[name](block, measure), "\n", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("fused", "blocks", "others")
    parser.add_argument("--sections", nargs="+", choices=names, default=names)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--columns", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=15)
    add_clock_argument(parser)
    return parser.parse_args()


@dataclass
class Block:
    """Arrays of one hidden block of a single network, as the kernels take them."""

    n: int
    d: int
    rate: float = 0.0
    seed: np.ndarray = field(default_factory=lambda: np.ones(1, np.uint32))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self.z, self.gradient = rng.standard_normal((2, 1, self.n, self.d), dtype=np.float32)
        self.dout, self.out = np.empty_like(self.z), np.empty_like(self.z)
        self.weight = np.ones((1, self.n), np.float32)
        self.scale, self.shift = np.ones((1, self.d), np.float32), np.zeros((1, self.d), np.float32)
        self.dscale, self.dshift = np.empty_like(self.scale), np.empty_like(self.shift)
        self.running = np.ones((1, 2, self.d))
        self.accumulators = np.empty((1, 2, self.d))
        self.inverse_std = np.empty((1, self.n), np.float32)
        self.rates = np.full(1, self.rate)
        self.no_mask = np.empty((1, 0, 0), np.uint8)

    def batch(self, activation: int, groups: int) -> tuple[Callable, Callable]:
        """Forward and backward of batch norm (one group) or ghost norm (several)."""
        from sknorm.kernels import cpu

        bounds = np.linspace(0, self.n, groups + 1).astype(np.int64)
        statistics = np.empty((1, groups, 8, self.d), np.float32)
        mask = (activation, self.rates, self.seed, 1, 1, self.no_mask, 0, self.d)
        inputs = (self.z, self.weight, self.scale, self.shift, bounds)
        forward = partial(
            cpu.batch_block_forward, *inputs, 1e-5, *mask, self.running, np.full(1, 0.1),
            statistics, self.accumulators, self.out,
        )  # fmt: skip
        outputs = (self.accumulators, self.dscale, self.dshift, self.dout)
        return forward, partial(cpu.batch_block_backward, *inputs, *mask, statistics, *outputs)

    def layer(self, activation: int) -> tuple[Callable, Callable]:
        """Forward and backward of layer norm; its first call standardizes a copy of z."""
        from sknorm.kernels import cpu

        z, mask = self.z.copy(), (activation, self.rates, self.seed, 1, 1, self.no_mask)
        forward = partial(
            cpu.layer_block_forward, z, self.scale, self.shift, 1e-5, *mask,
            self.inverse_std, self.out,
        )  # fmt: skip
        backward = partial(
            cpu.layer_block_backward, z, self.inverse_std, self.scale, self.shift, *mask,
            self.accumulators, self.dscale, self.dshift, self.dout,
        )  # fmt: skip
        return forward, backward

    def affine(self, activation: int) -> tuple[Callable, Callable]:
        """Forward and backward without a norm."""
        from sknorm.kernels import cpu

        inputs = (
            self.z,
            self.shift,
            activation,
            self.rates,
            self.seed,
            1,
            1,
            self.no_mask,
            0,
            self.d,
        )
        outputs = (self.accumulators, self.dshift, self.dout)
        forward = partial(cpu.affine_block_forward, *inputs, self.out)
        return forward, partial(cpu.affine_block_backward, *inputs, *outputs)

    def times(
        self, blocks: dict[str, tuple[Callable, Callable]], peers: list[Contender], measure: Measure
    ) -> dict[str, float]:
        """Seconds of each block's forward and backward, of the peers and of a copy."""
        contenders = [repeated(COPY, self.restore), *peers]
        for name, (forward, backward) in blocks.items():
            forward()
            contenders.append(repeated(f"{name} forward", forward))
            contenders.append(repeated(f"{name} backward", self._restored(backward)))
        times = measure(contenders)
        for name in blocks:
            times[f"{name} backward"] -= times[COPY]
        return times

    def restore(self) -> None:
        """The copy that everything is compared with."""
        np.copyto(self.dout, self.gradient)

    def _restored(self, backward: Callable) -> Callable[[], None]:
        def call() -> None:
            self.restore()
            backward()

        return call


def fused_table(block: Block, measure: Measure) -> str:
    """Batch norm and ReLU in one kernel, beside PyTorch's BatchNorm1d and ReLU."""
    from sknorm.kernels.codes import RELU

    try:
        from torch_peer import block_contenders

        peers = block_contenders(block.z[0], block.gradient[0])
    except ImportError:
        peers = []
    times = block.times({"fused": block.batch(RELU, 1)}, peers, measure)
    forward, backward = times["fused forward"], times["fused backward"]
    torch_forward = times.get("PyTorch forward")
    torch_backward = times.get("PyTorch backward")
    headers = [f"BN+ReLU {block.n} x {block.d}", "us", "copies", "PyTorch us", "PyTorch / fused"]
    rows = [
        ["forward", forward * 1e6, verdict(forward / times[COPY], FORWARD_COPY_BAR, False),
         _us(torch_forward), _beside(torch_forward, forward, FORWARD_TORCH_BAR)],
        ["backward", backward * 1e6, verdict(backward / times[COPY], None),
         _us(torch_backward), _beside(torch_backward, backward, BACKWARD_TORCH_BAR)],
        ["copy", times[COPY] * 1e6, "1", "-", "-"],
    ]  # fmt: skip
    return markdown(headers, rows)


def blocks_table(block: Block, measure: Measure) -> str:
    """Every activation under every norm, as multiples of a copy."""
    from sknorm.kernels.codes import ACTIVATIONS

    dropped = Block(block.n, block.d, rate=0.1)
    headers = ["forward / backward, in copies", "batch", "ghost (4 groups)", "layer", "none"]
    rows = []
    for name, code in ACTIVATIONS.items():
        blocks = {
            "batch": block.batch(code, 1),
            "ghost (4 groups)": block.batch(code, 4),
            "layer": block.layer(code),
            "none": block.affine(code),
            "batch, dropout 0.1": dropped.batch(code, 1),
        }
        times = block.times(dict(list(blocks.items())[:4]), [], measure)
        late = dropped.times({"batch, dropout 0.1": blocks["batch, dropout 0.1"]}, [], measure)
        rows.append([name, *(_copies(times, key) for key in headers[1:])])
        rows[-1].append(_copies(late, "batch, dropout 0.1"))
    return markdown([*headers, "batch, dropout 0.1"], rows)


def others_table(block: Block, measure: Measure) -> str:
    """Losses, optimizer steps and the gathering of rows, beside a copy of their main array."""
    contenders = [*losses(block.n), *optimizer_steps(block.d), *gathers(block.n)]
    times = measure(contenders)
    rows = []
    for name, time in times.items():
        if not name.endswith(COPY):
            copy = times[f"{name.partition(':')[0]}: {COPY}"]
            rows.append([name, time * 1e6, time / copy])
    return markdown(["kernel", "us", "copies of its main array"], rows)


def losses(n: int) -> list[Contender]:
    """Value and gradient of each loss on n rows; the copy is one of the logits."""
    from sknorm.kernels import cpu

    rng = np.random.default_rng(0)
    weight, factor, value = np.ones((1, n), np.float32), np.ones(1) / n, np.zeros(1)
    cases = [
        (cpu.binary_log_loss, 1, [0.0]), (cpu.multiclass_log_loss, 10, [0.0]),
        (cpu.multiclass_log_loss, 10, [0.1]), (cpu.squared_error, 1, []),
        (cpu.absolute_error, 1, []), (cpu.huber, 1, [1.35]), (cpu.pinball, 1, [0.5]),
        (cpu.poisson, 1, []), (cpu.gamma, 1, []),
    ]  # fmt: skip
    contenders = []
    for loss, outputs, parameter in cases:
        z = rng.standard_normal((1, n, outputs), dtype=np.float32)
        y = (rng.random((1, n, 1)) * outputs).astype(np.int64 if outputs > 1 else np.float32)
        bias, out = np.zeros((1, outputs), np.float32), np.empty_like(z)
        call = partial(
            loss, z, bias, y, weight, factor, np.array([parameter], dtype=np.float64),
            value, np.empty_like(bias), out,
        )  # fmt: skip
        title = f"{loss.__name__} {parameter} ({n} x {outputs})"
        contenders += [
            repeated(title, call),
            repeated(f"{title}: {COPY}", partial(np.copyto, out, z)),
        ]
    return contenders


def optimizer_steps(width: int, inputs: int = 64, outputs: int = 10) -> list[Contender]:
    """Adam and SGD with elastic net on a net of two hidden blocks; the copy is of its weights."""
    from sknorm.kernels import cpu

    sizes = [inputs * width, width * width, width * outputs, 4 * width + outputs]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    segments = np.array(
        [[*pair, part < 3] for part, pair in enumerate(zip(offsets, sizes, strict=False))]
    )
    rng = np.random.default_rng(0)
    parameters, gradient = rng.standard_normal((2, offsets[-1]), dtype=np.float32)
    first, second, velocity = np.zeros((3, offsets[-1]), np.float32)
    rate, alpha, l1_ratio, monitor = (
        np.full(1, 1e-3),
        np.full(1, 1e-4),
        np.full(1, 0.5),
        np.zeros((1, 3)),
    )
    shared = (segments.astype(np.int64), rate, alpha, l1_ratio)
    title = f"{{}} ({offsets[-1]} parameters)"
    adam, sgd = title.format("adam_step"), title.format("sgd_step")
    copy = partial(np.copyto, velocity.copy(), parameters)
    return [
        repeated(adam, partial(cpu.adam_step, parameters, gradient, first, second, *shared,
                               0.9, 0.999, 1e-8, np.ones(1), False, 32, monitor)),
        repeated(f"{adam}: {COPY}", copy),
        repeated(sgd, partial(cpu.sgd_step, parameters, gradient, velocity, *shared,
                              0.9, True, 32, monitor)),
        repeated(f"{sgd}: {COPY}", copy),
    ]  # fmt: skip


def gathers(n: int, columns: int = 64, table_rows: int = 20_000) -> list[Contender]:
    """Random rows of dense and sparse tables, standardized; the copy is of the batch."""
    from scipy import sparse

    from sknorm.kernels import cpu

    rng = np.random.default_rng(0)
    rows = rng.permutation(table_rows)[None, :n].astype(np.int64)
    y, weight = np.zeros((table_rows, 1), np.int64), np.ones((1, table_rows), np.float32)
    x_out, y_out = np.empty((1, n, columns), np.float32), np.empty((1, n, 1), np.int64)
    weight_out = np.empty((1, n), np.float32)
    offset, factor = np.zeros((1, columns)), np.ones((1, columns))
    contenders = []
    for dtype in (np.float32, np.float64):
        X = rng.standard_normal((table_rows, columns)).astype(dtype)
        S = sparse.random_array(X.shape, density=0.1, format="csr", dtype=dtype, rng=rng)
        others = (y, weight, rows, offset, factor, x_out, y_out, weight_out)
        calls = {
            "gather": partial(cpu.gather, X, *others),
            "gather_sparse, one in ten": partial(
                cpu.gather_sparse, S.data, S.indices, S.indptr, *others
            ),
        }
        for name, call in calls.items():
            title = f"{name} ({n} x {columns} of {X.dtype})"
            copy = partial(np.copyto, x_out.copy(), x_out)
            contenders += [repeated(title, call), repeated(f"{title}: {COPY}", copy)]
    return contenders


def _copies(times: dict[str, float], name: str) -> str:
    forward, backward = (times[f"{name} {way}"] / times[COPY] for way in ("forward", "backward"))
    return f"{forward:.1f} / {backward:.1f}"


def _us(time: float | None) -> float | None:
    return None if time is None else time * 1e6


def _beside(peer: float | None, time: float, bar: float) -> str:
    return verdict(None if peer is None else peer / time, bar)


if __name__ == "__main__":
    main()
