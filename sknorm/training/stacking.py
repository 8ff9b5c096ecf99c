"""Several training runs as one: their networks in one stack, their tables as views of one."""

import pickle
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import RandomState

from sknorm.backends import Backend
from sknorm.data.dataset import TrainingData
from sknorm.data.scaling import join_scalings
from sknorm.network.members import join_members
from sknorm.network.network import Network, join_networks
from sknorm.optim.schedules import join_schedules
from sknorm.training.batches import Batches
from sknorm.training.plan import Plan, Score, fault
from sknorm.training.task import Task
from sknorm.training.validation_loss import HeldOutLoss


def signature(task: Task) -> Hashable:
    """What tasks have in common that can be trained in one stack.

    Tasks of L-BFGS, which searches for one network at a time, are stacked with none.
    """
    if task.max_fun is not None:
        return id(task)
    score = task.score
    held = type(score), score.rows.shape[1] if isinstance(score, HeldOutLoss) else 0
    flat, data, batches = task.network.parameters.flat, task.data, task.batches
    scaling = data.scaling
    known = scaling.columns
    coded = None if known is None else task.network.backend.to_numpy(known).tobytes()
    columns = scaling.width, scaling.clip is None, coded
    shapes = batches.rows.shape[1], data.y.shape[1], columns
    rules = batches.batch_size, batches.shuffle, task.plan, task.schedule.kind, held
    where = task.network.backend, task.network.architecture, str(flat.dtype), str(data.y.dtype)
    return shapes, rules, where


def stack(tasks: Sequence[Task], X: Any, rows: Sequence[np.ndarray]) -> Task:
    """One task that trains the networks of all ``tasks``, each as it would be alone.

    Parameters
    ----------
    tasks : sequence of Task
        Of one :func:`signature`.
    X : array of shape (N, n_features), or SparseRows
        The table of which each task has rows, in the backend.
    rows : sequence of int64 arrays
        Which rows of X the rows of each task's own table are.

    Returns
    -------
    Task
        Its members are those of the first task, then those of the second, and so on.
    """
    first, backend = tasks[0], tasks[0].network.backend
    views = {id(task.data): (task.data, index) for task, index in zip(tasks, rows, strict=True)}
    data = _joined(backend, X, list(views.values()))
    count = int(X.shape[0])
    starts = {key: view * count for view, key in enumerate(views)}
    places = [views[id(task.data)][1] + starts[id(task.data)] for task in tasks]
    plan = first.plan
    pairs = list(zip(tasks, places, strict=True))
    return replace(
        first,
        network=join_networks([task.network for task in tasks]),
        members=join_members([task.members for task in tasks]),
        batches=Batches(
            np.concatenate([place[task.batches.rows] for task, place in pairs]),
            first.batches.batch_size,
            first.batches.shuffle,
            _shared([state for task in tasks for state in task.batches.random_states]),
        ),
        data=data,
        schedule=join_schedules([task.schedule for task in tasks]),
        score=_score(pairs, data, plan),
    )


def of_view(backend: Backend, data: TrainingData, index: np.ndarray) -> TrainingData:
    """The data of a view of a table as that of the table: row i of the view is row ``index[i]``."""
    return _joined(backend, data.X, [(data, index)])


class JointScore:
    """Scores of a stack by the scores of the tasks that it is made of.

    Parameters
    ----------
    scores : sequence of callables
    sizes : sequence of int
        Members of each task.

    Attributes
    ----------
    failures : dict of int to Exception
        What the scores of some of the tasks have raised; from then on these have none.
    """

    def __init__(self, scores: Sequence[Score], sizes: Sequence[int]) -> None:
        self.scores = scores
        self.failures: dict[int, Exception] = {}
        owners = [(t, k) for t, size in enumerate(sizes) for k in range(size)]
        self.owners = np.array(owners, dtype=np.int64).reshape(-1, 2)

    def __call__(self, network: Network, active: list[int]) -> np.ndarray:
        """Scores (K,) of the active members, which ``network`` holds."""
        values = np.empty(len(active))
        task, own = self.owners[active].T
        for t in np.unique(task):
            places = np.flatnonzero(task == t)
            part = network.take(places.tolist())
            values[places] = self._of_task(int(t), part, own[places].tolist())
        return values

    def reason(self, member: int) -> str:
        """Why none of a member's scores was finite."""
        task, own = self.owners[member].tolist()
        return fault(self.scores[task], own)

    def _of_task(self, t: int, part: Network, own: list[int]) -> np.ndarray:
        """Scores of a task's members; a failure is the task's alone, unless all have failed."""
        if t not in self.failures:
            try:
                return part.backend.to_numpy(self.scores[t](part, own))
            except Exception as error:
                self.failures[t] = error
                if len(self.failures) == len(self.scores):
                    raise
        return np.full(len(own), np.nan)


def _joined(backend: Backend, X: Any, views: Sequence[tuple[TrainingData, Any]]) -> TrainingData:
    """One table with a view for each of several tables of its rows."""
    xp, count, first = backend.xp, int(X.shape[0]), views[0][0]
    device, total = backend.device, int(X.shape[0]) * len(views)
    y = xp.zeros((total, first.y.shape[1]), dtype=first.y.dtype, device=device)
    weight = xp.zeros((1, total), dtype=first.weight.dtype, device=device)
    for view, (data, rows) in enumerate(views):
        part = slice(view * count, (view + 1) * count)
        # Rows that are not in the view are never taken: what stands there does not matter.
        source = np.zeros(count, dtype=np.int64)
        source[rows] = np.arange(len(rows))
        index = backend.asarray(source)
        y[part, :] = xp.take(data.y, index, axis=0)
        weight[:, part] = xp.take(data.weight, index, axis=1)
    return TrainingData(
        X=X,
        y=y,
        weight=weight,
        scaling=join_scalings([data.scaling for data, _ in views], xp),
    )


def _score(
    pairs: Sequence[tuple[Task, np.ndarray]], data: TrainingData, plan: Plan
) -> Score | None:
    """What scores the whole stack."""
    scores = [task.score for task, _ in pairs]
    given = [score for score in scores if score is not None]
    if not given:
        return None
    own = [
        isinstance(task.score, HeldOutLoss) and task.score.data is task.data for task, _ in pairs
    ]
    if all(own):
        held = [place[task.score.rows] for task, place in pairs]  # type: ignore[union-attr]
        kind: Any = type(given[0])
        return kind(plan.loss, data, np.concatenate(held))
    return JointScore(given, [len(task.members) for task, _ in pairs])


def _shared(states: Sequence[RandomState]) -> list[RandomState]:
    """The generators, one for all members whose generators are in the same state."""
    seen: dict[bytes, RandomState] = {}
    return [seen.setdefault(pickle.dumps(state), state) for state in states]
