"""How does a PyTorch user train the same net? The plain loop, eager or compiled.

Adam comes in three implementations and compilation can include the optimizer; each contender is
the fastest of its settings on the job at hand. Compiled code draws dropout's random numbers as
eager code does: the compiler's own generator made the compiled step up to 1.6x slower.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch._inductor.config
from job import DROPOUT, LEARNING_RATE, Job
from timing import Contender, fastest, repeated
from torch import nn

EAGER: tuple[dict[str, bool], ...] = ({}, {"foreach": True}, {"fused": True})
COMPILED = (({"fused": True}, False), ({"foreach": True}, True))


class TorchTrainer:
    """A net, its Adam and the loop over shuffled index batches."""

    def __init__(
        self,
        job: Job,
        adam: dict[str, bool],
        compiled: bool = False,
        compiled_adam: bool = False,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(0)
        self.X = torch.from_numpy(job.X).to(device)
        self.y = _targets(job).to(device)
        self.batch_size = job.batch_size
        self.net = make_net(job.X.shape[1], job.hidden, job.n_outputs).to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=LEARNING_RATE, **adam)
        loss = _loss_of(self.net, job.n_classes)
        self.loss = torch.compile(loss, dynamic=False) if compiled else loss
        self.step = torch.compile(self.optimizer.step) if compiled_adam else self.optimizer.step

    def train(self, epochs: int) -> None:
        """Train for some more epochs; batches of one row are skipped, as the norm needs two."""
        self.net.train()
        for _ in range(epochs):
            order = torch.randperm(len(self.X), device=self.X.device)
            for rows in order.split(self.batch_size):
                if len(rows) > 1:
                    self.optimizer.zero_grad()
                    self.loss(self.X[rows], self.y[rows]).backward()
                    self.step()


def make_net(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Hidden blocks of Linear, BatchNorm1d, ReLU and Dropout, then the output layer."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width)]
        layers += [nn.ReLU(), nn.Dropout(DROPOUT)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def eager_contender(job: Job, epochs: int) -> Contender:
    """The eager loop with the fastest of PyTorch's Adams."""
    torch.set_num_threads(1)
    return fastest([_contender(job, epochs, "PyTorch eager", adam) for adam in EAGER])


def compiled_contender(job: Job, epochs: int) -> Contender:
    """The loop with forward, loss and backward compiled, and Adam compiled where that is faster."""
    torch.set_num_threads(1)
    torch._dynamo.reset()
    torch._inductor.config.fallback_random = True
    return fastest([_contender(job, epochs, "PyTorch compiled", *setting) for setting in COMPILED])


def _contender(
    job: Job, epochs: int, name: str, adam: dict[str, bool], compiled_adam: bool | None = None
) -> Contender:
    compiled = compiled_adam is not None
    trainer = TorchTrainer(job, adam, compiled, bool(compiled_adam))
    setting = " compiled" if compiled_adam else "".join(f" {key}" for key in adam)
    return Contender(f"{name} (Adam{setting})", lambda: trainer.train(epochs), epochs * job.steps)


def _loss_of(net: nn.Module, n_classes: int) -> Callable[[Any, Any], Any]:
    criterion: nn.Module = nn.MSELoss()
    if n_classes:
        criterion = nn.CrossEntropyLoss() if n_classes > 2 else nn.BCEWithLogitsLoss()

    def loss(X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return criterion(net(X), y)

    return loss


def _targets(job: Job) -> torch.Tensor:
    if job.n_classes > 2:
        return torch.from_numpy(job.y).long()
    return torch.from_numpy(job.y).float()[:, None]


def block_contenders(z: Any, gradient: Any) -> list[Contender]:
    """Training-mode BatchNorm1d and ReLU of a NumPy matrix, forward and backward."""
    torch.set_num_threads(1)
    norm, activation = nn.BatchNorm1d(z.shape[1]), nn.ReLU()
    inputs = torch.from_numpy(z).clone().requires_grad_()
    wanted = (inputs, norm.weight, norm.bias)
    output, dout = activation(norm(inputs)), torch.from_numpy(gradient)
    return [
        repeated("PyTorch forward", lambda: activation(norm(inputs))),
        repeated(
            "PyTorch backward",
            lambda: torch.autograd.grad(output, wanted, dout, retain_graph=True),
        ),
    ]
