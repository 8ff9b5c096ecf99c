"""How does a PyTorch user make training on a GPU fast? Compiled, and in CUDA graphs.

``mode="reduce-overhead"`` replays what is compiled as CUDA graphs, one for the forward and one for
the backward pass. There is more than one way to take the rows of a batch and to step, so that the
compiled contender is the fastest of several. Beside it stands what is the most: a whole step
captured by hand as one graph, compiled code and Adam in it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from gpu_device import Device, Launches, failure
from job import Job
from timing import Contender, fastest
from torch._dynamo.utils import counters
from torch.nn import functional
from torch_peer import EAGER, TorchTrainer


class Setting(NamedTuple):
    """How a step is compiled."""

    mode: str  # of torch.compile
    gathers: bool  # whether the compiled code takes the rows of the batch
    adam: dict[str, bool]
    compiles_adam: bool

    def __str__(self) -> str:
        rows = "rows taken inside" if self.gathers else "rows taken outside"
        adam = "compiled" if self.compiles_adam else " ".join(self.adam)
        return f"{self.mode}, {rows}, {adam} Adam"


SETTINGS = (
    Setting("reduce-overhead", True, {"fused": True}, False),
    Setting("reduce-overhead", False, {"fused": True}, False),
    Setting("reduce-overhead", True, {"foreach": True}, True),
    Setting("default", True, {"fused": True}, False),
)


class CompiledTrainer(TorchTrainer):
    """The loop with forward, loss and backward compiled, and Adam where the setting says so."""

    def __init__(self, job: Job, setting: Setting, device: str) -> None:
        super().__init__(job, setting.adam, device=device)
        self.gathers = setting.gathers
        function = _gathered(self) if setting.gathers else self.loss
        self.loss = torch.compile(function, mode=setting.mode, dynamic=False)
        if setting.compiles_adam:
            self.step = torch.compile(self.optimizer.step, mode=setting.mode)

    def take_step(self, rows: torch.Tensor) -> None:
        """Train on a batch; tensors of the last step's graphs are of no use from here on."""
        self.optimizer.zero_grad()
        torch.compiler.cudagraph_mark_step_begin()
        batch = (rows,) if self.gathers else (self.X[rows], self.y[rows])
        self.loss(*batch).backward()
        self.step()


class CapturedTrainer(TorchTrainer):
    """A step in one CUDA graph: compiled forward, loss and backward, and fused Adam."""

    def __init__(self, job: Job, device: str) -> None:
        if device != "cuda":
            raise RuntimeError("CUDA graphs need a CUDA device")
        super().__init__(job, {"fused": True, "capturable": True}, device=device)
        self.loss = torch.compile(_gathered(self), dynamic=False)
        self.rows = torch.arange(job.batch_size, device=device)
        self.net.train()
        self.graph = self._captured()

    def take_step(self, rows: torch.Tensor) -> None:
        """Train on a batch."""
        self.rows.copy_(rows)
        self.graph.replay()

    def _captured(self) -> Any:
        """The graph of a step, which was taken before on a stream of its own, as it has to be."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._whole_step()
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._whole_step()
        return graph

    def _whole_step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(self.rows).backward()
        self.optimizer.step()


def trainers(
    device: Device, job: Job, kinds: Sequence[str], notes: list[str]
) -> dict[str, TorchTrainer]:
    """PyTorch's loops, each with its fastest setting; a note for what could not be built."""
    torch.set_float32_matmul_precision(device.precision)
    torch._dynamo.reset()  # the same functions are compiled for job after job
    built: dict[str, TorchTrainer] = {}
    for kind in kinds:
        try:
            built[kind] = BUILDERS[kind](device, job, notes)
        except Exception as error:
            notes.append(f"PyTorch {kind}: not measured ({failure(error)})")
    return built


def eager(device: Device, job: Job, notes: list[str]) -> TorchTrainer:
    """The plain loop with the fastest of PyTorch's Adams."""
    candidates = {
        " ".join(adam) or "plain": TorchTrainer(job, adam, device=device.name) for adam in EAGER
    }
    return _fastest(device, "eager", candidates, notes)


def compiled(device: Device, job: Job, notes: list[str]) -> TorchTrainer:
    """The compiled loop with the fastest of the settings that work."""
    candidates: dict[str, TorchTrainer] = {}
    for setting in SETTINGS:
        before = counters["inductor"]["cudagraph_skips"]
        try:
            trainer = CompiledTrainer(job, setting, device.name)
            trainer.train(1)  # compiles
        except Exception as error:
            notes.append(f"PyTorch compiled ({setting}): not measured ({failure(error)})")
            continue
        candidates[str(setting)] = trainer
        if skips := counters["inductor"]["cudagraph_skips"] - before:
            notes.append(f"PyTorch compiled ({setting}): CUDA graphs skipped: {skips}")
    return _fastest(device, "compiled", candidates, notes)


def captured(device: Device, job: Job, notes: list[str]) -> TorchTrainer:
    """The loop that replays a whole step."""
    return CapturedTrainer(job, device.name)


BUILDERS: dict[str, Callable[[Device, Job, list[str]], TorchTrainer]] = {
    "eager": eager,
    "compiled": compiled,
    "captured": captured,
}


def fastest_adam(device: Device, job: Job) -> dict[str, bool]:
    """The setting of PyTorch's Adam that is fastest for the eager loop."""
    torch.set_float32_matmul_precision(device.precision)
    contenders = [
        _epochs(device, str(index), TorchTrainer(job, adam, device=device.name))
        for index, adam in enumerate(EAGER)
    ]
    return EAGER[int(fastest(contenders, repeats=3).name)]


def _gathered(trainer: TorchTrainer) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss on the rows of the table, of which graphs need no copy for themselves."""
    X, y, loss = trainer.X, trainer.y, trainer.loss
    for table in (X, y):
        torch._dynamo.mark_static_address(table)

    def gathered(rows: torch.Tensor) -> torch.Tensor:
        return loss(X[rows], y[rows])

    return gathered


def _fastest(
    device: Device, kind: str, candidates: dict[str, TorchTrainer], notes: list[str]
) -> TorchTrainer:
    if not candidates:
        raise RuntimeError("no setting works")
    found = fastest(
        [_epochs(device, name, trainer) for name, trainer in candidates.items()], repeats=3
    )
    notes.append(f"PyTorch {kind}: {found.name}")
    return candidates[found.name]


def _epochs(device: Device, name: str, trainer: TorchTrainer) -> Contender:
    def run() -> None:
        trainer.train(1)
        device.wait()

    return Contender(name, run)


class TorchBlock:
    """A norm and an activation of a matrix, with the gradients of its input, scale and shift.

    Parameters
    ----------
    z, gradient : NumPy arrays of shape (n, d)
    norm : {"batch", "layer", "none"}
    activation : {"relu", "gelu"}
    device : str
    """

    def __init__(self, z: Any, gradient: Any, norm: str, activation: str, device: str) -> None:
        def tensor(values: Any) -> torch.Tensor:
            return torch.as_tensor(values, device=device)

        d = z.shape[1]
        self.z, self.gradient = tensor(z).requires_grad_(), tensor(gradient)
        self.scale = torch.ones(d, device=device, requires_grad=True)
        self.shift = torch.zeros(d, device=device, requires_grad=True)
        self.running = torch.zeros(d, device=device), torch.ones(d, device=device)
        self.norm, self.activation = norm, getattr(functional, activation)
        self.outputs: list[torch.Tensor] = []

    def launches(self, name: str, compiled: bool = False, cudnn: bool = True) -> list[Launches]:
        """Forward and backward, eager or compiled; eager with cuDNN's batch norm or PyTorch's."""
        function = self._function()
        if compiled:
            function = torch.compile(function, dynamic=False)

        def forward() -> torch.Tensor:
            with _cudnn(cudnn):
                return function(self.z, self.scale, self.shift)

        def prepare(count: int) -> None:
            self.outputs = [forward() for _ in range(count)]

        return [
            Launches(f"{name} forward", forward),
            Launches(f"{name} backward", self._differentiate, prepare=prepare),
        ]

    def _function(self) -> Callable[..., torch.Tensor]:
        running, activation, d = self.running, self.activation, self.z.shape[1]

        def batch(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
            return activation(functional.batch_norm(z, *running, scale, shift, True, 0.1, 1e-5))

        def layer(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
            return activation(functional.layer_norm(z, (d,), scale, shift, 1e-5))

        def none(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
            return activation(z + shift)

        return {"batch": batch, "layer": layer, "none": none}[self.norm]

    def _differentiate(self) -> None:
        wanted = (self.z, self.scale, self.shift) if self.norm != "none" else (self.z, self.shift)
        torch.autograd.grad(self.outputs.pop(), wanted, self.gradient)


@contextmanager
def _cudnn(enabled: bool) -> Iterator[None]:
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = before and enabled
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def block_launches(
    device: Device, z: Any, gradient: Any, norm: str, activation: str, kinds: Sequence[str],
    notes: list[str],
) -> list[Launches]:  # fmt: skip
    """What of a block could be built: eager and compiled, as the kinds ask for."""
    torch._dynamo.reset()
    block = partial(TorchBlock, z, gradient, norm, activation, device.name)
    ways: dict[str, dict[str, bool]] = {"eager": {}, "compiled": {"compiled": True}}
    if norm == "batch":
        ways["eager without cuDNN"] = {"cudnn": False}
    launches: list[Launches] = []
    for name, how in ways.items():
        if name.partition(" ")[0] not in kinds:
            continue
        try:
            pair = block().launches(name, **how)
            for each in pair:
                each.warm_up(device)
            launches += pair
        except Exception as error:
            notes.append(f"PyTorch {norm} {activation}, {name}: not measured ({failure(error)})")
    return launches
