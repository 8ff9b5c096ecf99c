"""How does a PyTorch user train the same net? The plain loop, eager or compiled, or skorch.

Adam comes in three implementations and compilation can include the optimizer; each contender is
the fastest of its settings on the job at hand. Compiled code draws dropout's random numbers as
eager code does: the compiler's own generator made the compiled step up to 1.6x slower. skorch has
no validation rows and no callbacks, and its loader takes a batch's rows at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch._inductor.config
from job import DROPOUT, LEARNING_RATE, Job
from timing import Contender, fastest, repeated
from torch import nn
from torch.utils.data import Dataset

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
                    self.take_step(rows)

    def take_step(self, rows: torch.Tensor) -> None:
        """Train on a batch."""
        self.optimizer.zero_grad()
        self.loss(self.X[rows], self.y[rows]).backward()
        self.step()


def make_net(
    inputs: int, hidden: tuple[int, ...], outputs: int, dropout: float = DROPOUT
) -> nn.Sequential:
    """Hidden blocks of Linear, BatchNorm1d, ReLU and Dropout, then the output layer."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width)]
        layers += [nn.ReLU(), nn.Dropout(dropout)]
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


class BatchedRows(Dataset):
    """Rows that a loader takes batch by batch; one by one, as by default, a step takes longer."""

    def __init__(self, X: Any, y: Any = None) -> None:
        self.X = torch.from_numpy(X)
        self.y = torch.zeros(len(X)) if y is None else torch.from_numpy(y)

    def __len__(self) -> int:
        return len(self.X)

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.X[rows], self.y[rows]


def skorch_classifier(job: Job, epochs: int, adam: dict[str, bool]) -> Any:
    """skorch's classifier; that of two classes wants them as float32."""
    from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier

    settings: dict[str, Any] = {
        "module": _one_thread_net, "module__inputs": job.X.shape[1], "module__hidden": job.hidden,
        "module__outputs": job.n_outputs, "optimizer": torch.optim.Adam, "lr": LEARNING_RATE,
        "max_epochs": epochs, "batch_size": job.batch_size, "dataset": BatchedRows,
        "iterator_train__shuffle": True, "iterator_train__collate_fn": _as_it_is,
        "iterator_valid__batch_size": -1, "iterator_valid__collate_fn": _as_it_is,
        "train_split": None, "callbacks": "disable", "verbose": 0,
        **{f"optimizer__{name}": value for name, value in adam.items()},
    }  # fmt: skip
    if job.n_classes > 2:
        return NeuralNetClassifier(criterion=nn.CrossEntropyLoss, **settings)
    return NeuralNetBinaryClassifier(criterion=nn.BCEWithLogitsLoss, **settings)


def skorch_targets(job: Job) -> np.ndarray:
    """Classes as skorch's classifier wants them."""
    return job.y.astype(np.int64 if job.n_classes > 2 else np.float32)


def fastest_skorch_adam(job: Job) -> dict[str, bool]:
    """The setting of PyTorch's Adam with which skorch is fastest on the job."""
    y = skorch_targets(job)
    contenders = [
        Contender(str(index), partial(skorch_classifier(job, 2, adam).fit, job.X, y))
        for index, adam in enumerate(EAGER)
    ]
    return EAGER[int(fastest(contenders).name)]


def accuracy(trainer: TorchTrainer, X: np.ndarray, y: np.ndarray) -> float:
    """Share of rows whose class a trained net tells."""
    trainer.net.eval()
    with torch.no_grad():
        raw = trainer.net(torch.from_numpy(X).to(trainer.X.device)).cpu().numpy()
    classes = raw.argmax(1) if raw.shape[1] > 1 else raw[:, 0] > 0
    return float(np.mean(classes == y))


def _one_thread_net(
    inputs: int, hidden: tuple[int, ...], outputs: int, dropout: float = DROPOUT
) -> nn.Sequential:
    """The net of a process that works beside others; the same initial weights each time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return make_net(inputs, hidden, outputs, dropout)


def _as_it_is(batch: Any) -> Any:
    return batch


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
