"""How exact and how fast are the norms of `sknorm.functional`, beside PyTorch's four layers?

Errors are the largest ones, relative to the largest value, of y, and of dx, dscale and dshift
together. The truth is PyTorch's in float64 on x minus its offset; the difference is exact, so the
truth keeps the digits that the offset costs. One thread.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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

BARS = {"float32": 1e-6, "float64": 1e-12}
RATIOS = (1.0, 1e4)
EPS = 1e-5


@dataclass(frozen=True)
class Case:
    """One norm of one shape."""

    kind: str
    shape: tuple[int, ...]
    options: dict[str, int] = field(default_factory=dict)

    @property
    def channels_last(self) -> bool:
        return self.options.get("channel_axis", -1) == -1

    @property
    def name(self) -> str:
        kind = self.kind + (f" ({self.options['groups']})" if "groups" in self.options else "")
        return f"{kind} {' x '.join(map(str, self.shape))}"

    def parameters(self, rng: np.random.Generator, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift."""
        width = self.shape[-1 if self.channels_last else 1]
        return rng.normal(1.0, 0.3, width).astype(dtype), rng.normal(size=width).astype(dtype)

    def ours(self, x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[Any, Any]:
        """y and the cache."""
        from sknorm import functional

        norm = getattr(functional, f"{self.kind}_norm")
        return norm(x, scale=scale, shift=shift, **self.options)

    def our_gradients(self, dy: np.ndarray, cache: Any) -> tuple[Any, ...]:
        """dx, dscale and dshift."""
        from sknorm import functional

        return getattr(functional, f"{self.kind}_norm_backward")(dy, cache)

    def torch(self, x: Any, scale: Any, shift: Any) -> Any:
        """y; PyTorch has the channels on axis 1 and follows the strides of what it gets."""
        import torch.nn.functional as layers

        if self.kind == "layer":
            return layers.layer_norm(x, scale.shape, scale, shift, EPS)
        last = self.channels_last and x.ndim > 2
        x = x.movedim(-1, 1) if last else x
        if self.kind == "batch":
            y = layers.batch_norm(x, None, None, scale, shift, training=True, eps=EPS)
        elif self.kind == "group":
            y = layers.group_norm(x, self.options["groups"], scale, shift, EPS)
        else:
            y = layers.instance_norm(x, weight=scale, bias=shift, eps=EPS)
        return y.movedim(1, -1) if last else y


CASES = (
    Case("batch", (1024, 256)),
    Case("batch", (32, 64, 28, 28), {"channel_axis": 1}),
    Case("batch", (32, 28, 28, 64)),
    Case("layer", (1024, 256)),
    Case("group", (1024, 256), {"groups": 8}),
    Case("group", (32, 64, 28, 28), {"groups": 8, "channel_axis": 1}),
    Case("instance", (32, 64, 28, 28), {"channel_axis": 1}),
    Case("instance", (32, 28, 28, 64)),
)


def main() -> None:
    """Print errors and times."""
    arguments = parse_arguments()
    restart_with_threads(1)
    import torch

    torch.set_num_threads(1)
    print(f"{describe_machine()}\n- {arguments.clock} time\n")
    print(error_table(), "\n", flush=True)
    print(time_table(arguments.repeats, arguments.clock))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    add_clock_argument(parser)
    return parser.parse_args()


def error_table() -> str:
    """Errors of both libraries, forward and backward, at each mean."""
    headers = ["relative error", "dtype", "mean / std", "y: sknorm", "y: PyTorch",
               "gradients: sknorm", "gradients: PyTorch"]  # fmt: skip
    rows = []
    for case in CASES:
        for dtype, bar in BARS.items():
            for ratio in RATIOS:
                ours, peers = errors(case, dtype, ratio)
                cells = (_beside(ours[0], bar), _figure(peers[0]), _beside(ours[1], bar))
                rows.append([case.name, dtype, f"{ratio:g}", *cells, _figure(peers[1])])
    return markdown(headers, rows)


def errors(case: Case, dtype: str, ratio: float) -> tuple[list[float], list[float]]:
    """Errors of y and of the gradients: this library's, and PyTorch's."""
    rng = np.random.default_rng(0)
    x = (ratio + rng.standard_normal(case.shape)).astype(dtype)
    dy = rng.standard_normal(case.shape).astype(dtype)
    parameters = case.parameters(rng, dtype)
    wide = [array.astype(np.float64) for array in (x, *parameters, dy)]
    truth = torch_results(case, wide[0] - ratio, *wide[1:])
    y, cache = case.ours(x, *parameters)
    ours = [y, *case.our_gradients(dy, cache)]
    return _errors(ours, truth), _errors(torch_results(case, x, *parameters, dy), truth)


def torch_results(case: Case, *arrays: np.ndarray) -> list[np.ndarray]:
    """y and its gradients from x, scale, shift and dy."""
    import torch

    *inputs, dy = (torch.from_numpy(array) for array in arrays)
    wanted = [array.clone().requires_grad_() for array in inputs]
    y = case.torch(*wanted)
    gradients = torch.autograd.grad(y, wanted, dy)
    return [array.detach().numpy() for array in (y, *gradients)]


def _errors(got: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> list[float]:
    relative = [
        float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in zip(got, truth, strict=True)
    ]
    return [relative[0], max(relative[1:])]


def time_table(repeats: int, clock: str) -> str:
    """Microseconds of both libraries in float32."""
    headers = ["float32", "forward us", "PyTorch us", "PyTorch / sknorm",
               "backward us", "PyTorch us", "PyTorch / sknorm"]  # fmt: skip
    rows = []
    for case in CASES:
        times = interleave(list(contenders(case).values()), repeats, clock=clock)
        cells: list[Any] = [case.name]
        for direction in ("forward", "backward"):
            ours, peer = times[f"sknorm {direction}"], times[f"PyTorch {direction}"]
            cells += [ours * 1e6, peer * 1e6, verdict(peer / ours, None)]
        rows.append(cells)
    return markdown(headers, rows)


def contenders(case: Case) -> dict[str, Contender]:
    """Forward and backward of both libraries, the forward passes of training."""
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *case.shape), dtype=np.float32)
    parameters = case.parameters(rng, "float32")
    _, cache = case.ours(x, *parameters)
    inputs = [torch.from_numpy(a).clone().requires_grad_() for a in (x, *parameters)]
    output, gradient = case.torch(*inputs), torch.from_numpy(dy)
    calls: dict[str, Callable[[], Any]] = {
        "sknorm forward": lambda: case.ours(x, *parameters),
        "sknorm backward": lambda: case.our_gradients(dy, cache),
        "PyTorch forward": lambda: case.torch(*inputs),
        "PyTorch backward": lambda: torch.autograd.grad(
            output, inputs, gradient, retain_graph=True
        ),
    }
    return {name: repeated(name, call) for name, call in calls.items()}


def _figure(error: float) -> str:
    return f"{error:.1e}"


def _beside(error: float, bar: float) -> str:
    return f"{error:.1e} (<= {bar:g}) {'PASS' if error <= bar else 'MISS'}"


if __name__ == "__main__":
    main()
