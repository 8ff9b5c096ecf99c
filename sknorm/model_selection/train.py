"""Training and scoring of a unit of jobs: their networks in stacks, or one after the other."""

import copy
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.base import clone
from sklearn.utils import check_random_state

from sknorm.backends import Backend, side_by_side
from sknorm.ensembles.members import network_of
from sknorm.estimators import attributes
from sknorm.estimators.fitted import adopt, shallow_copy
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.stages import Training
from sknorm.model_selection.context import Context, rows_of, taken
from sknorm.model_selection.folds import Inputs, assembled
from sknorm.model_selection.plan import Candidate, Job
from sknorm.model_selection.results import Key, Results, failing, predicted, scored, scores
from sknorm.network.network import Network
from sknorm.training.budget import Budget, budget_of, within
from sknorm.training.footprint import Footprint
from sknorm.training.plan import ADVICE, Observer, Outcome
from sknorm.training.run import Run
from sknorm.training.stacking import JointScore, signature, stack
from sknorm.training.task import Task


def evaluate(context: Context, unit: list[Job]) -> Results:
    """Train and score the jobs of a unit."""
    if unit[0].candidate.alone:
        with side_by_side(context.threads):
            return [_fit_alone(context, job) for job in unit]
    parts, lost = begin(context, unit)
    results = list(lost.values())
    while parts:  # one after the other: a stack is gone before the next is made
        results += _trained(context, parts.pop(0))
    return results


def _fit_alone(context: Context, job: Job) -> dict[str, Any]:
    """Train and score a job as scikit-learn's search does; its estimator has methods of its own."""
    if context.progress.stopped:
        raise KeyboardInterrupt
    started, (train, test) = time.perf_counter(), context.splits[job.fold.split]
    lost: dict[Key, dict] = {}
    with failing(context, [job], lost):
        model = fitted_clone(context, job.candidate, train)
    seconds = time.perf_counter() - started
    if lost:
        result = lost[job.key] | {"fit_time": seconds}
    else:

        def asked(testing: bool) -> tuple[Any, Any, Any]:
            rows = test if testing else train
            return model, taken(context.X, rows), taken(context.y, rows)

        result = {"key": job.key, "fit_error": None, "unfinished": False, "fit_time": seconds}
        result |= scores(context, job.fold.split, asked)
        if context.keeps_predictions:
            result |= predicted(*asked(True)[:2], context.error_score)
    context.progress.advanced(job.candidate.epochs)
    return result


def fitted_clone(context: Context, candidate: Candidate, rows: np.ndarray) -> Any:
    """A candidate fitted to some of the rows."""
    model, params = clone(candidate.model), rows_of(context.fit_params, rows, context.count)
    targets = [] if context.y is None else [taken(context.y, rows)]
    network = network_of(model)
    if getattr(network, "checkpoint", None) is not None:
        network.set_params(checkpoint=None)  # which others have, too
    limit = within(context.granted([candidate]))
    with context.progress.fitting(model), _interruptible(), limit:
        return model.fit(taken(context.X, rows), *targets, **params)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the search: a fit answers it with a warning, and the next would start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Training interrupted by user")
        try:
            yield
        except UserWarning as warning:
            if isinstance(warning.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise


def _trained(context: Context, part: "list[Trial]") -> Results:
    own = Stack(context, part)
    own.advance()
    return own.results()


@dataclass
class Trial:
    """A job on its way."""

    job: Job
    network: Any  # becomes fitted
    inputs: Inputs
    training: Training
    task: Task | None  # None once it is in a stack, which holds its networks
    seconds: float  # spent on fitting it so far
    failure: Exception | None = None  # that its validation scores have raised

    def asked(self, test: bool) -> tuple[Any, Any, Any]:
        """Who is scored on which rows and targets."""
        return self.inputs.asked(self.job.candidate.model, self.network, test)

    def so_far(self, network: Network) -> "Trial":
        """The trial as it would be if training ended now."""
        if self.failure is not None:
            raise self.failure
        view = shallow_copy(self.network)
        adopt(view, self.training.attributes(network))
        return replace(self, network=view)


def begin(context: Context, unit: list[Job]) -> tuple[list[list[Trial]], dict[Key, dict]]:
    """The jobs of a unit in parts whose networks make a stack each, and what failed already."""
    lost: dict[Key, dict] = {}
    opened: dict[Any, Inputs] = {}
    groups: dict[Hashable, list[Trial]] = defaultdict(list)
    for job in unit:
        with failing(context, [job], lost):
            trial = _begin(context, job, opened)
            assert trial.task is not None
            table = trial.training.prepared.rows.X.engine
            groups[signature(trial.task), id(table)].append(trial)
    parts: list[list[Trial]] = []
    for group in groups.values():
        with failing(context, [trial.job for trial in group], lost):
            parts += _cut(context, group, len(unit))
    return parts, lost


def _begin(context: Context, job: Job, opened: dict[Any, Inputs]) -> Trial:
    """A job's network and task."""
    started, candidate = time.perf_counter(), job.candidate
    if candidate.fault is not None:
        raise candidate.fault.with_traceback(None)  # or it would grow with each job
    if job.fold not in opened:
        opened[job.fold] = job.fold.open(context)
    inputs, network = opened[job.fold], _fresh(candidate.network)
    prepared = inputs.prepared(network, (candidate.stack, candidate.preparation))
    training, task = plan_training(network, prepared, None, inputs.held_out(network))
    return Trial(job, network, inputs, training, task, time.perf_counter() - started)


def _fresh(network: Any) -> Any:
    """A network to be fitted, with a random state of its own."""
    network = copy.copy(network)
    network.validation_fraction = copy.deepcopy(network.validation_fraction)  # may be a splitter
    if network.random_state is None:
        seed = check_random_state(None).randint(2**32, dtype=np.uint32)
        network.random_state = RandomState(seed)
    elif isinstance(network.random_state, RandomState):
        network.random_state = copy.deepcopy(network.random_state)
    return network


def _cut(context: Context, trials: list[Trial], jobs: int) -> list[list[Trial]]:
    """Trials of a unit of so many jobs in parts whose stacks fit into memory."""
    task: Any = trials[0].task
    budget = _budget(context, task.network.backend)
    if budget is None:
        return [trials]
    each = sum(int(array.nbytes) for array in (task.data.y, task.data.weight))
    views = each * len({id(trial.training.prepared) for trial in trials})
    budget -= views
    every = [trial.task.members for trial in trials if trial.task is not None]
    most = max(every, key=lambda each: float(each.dropout.max()))  # who drop need masks
    footprint = Footprint.of(task.network, most, task.batches, task.data, task.plan)
    sizes, members = task.batches.sizes, len(task.members)
    if footprint.largest_stack(budget, sizes) < members:
        needed = footprint.stack_bytes(members, sizes) + views
        raise MemoryError(
            f"One network of this search takes {needed:,} bytes in training, beside the "
            f"table, but a stack may take {budget + views:,}. Raise "
            "max_stack_bytes, or lower batch_size, the hidden layers or n_jobs."
        )
    # The other jobs of the unit wait with their initial weights and the order of their rows.
    waiting = members * jobs * (footprint.network_bytes + 8 * task.rows)
    size = max(1, footprint.largest_stack(budget - waiting, sizes) // members)
    return [trials[start : start + size] for start in range(0, len(trials), size)]


def _budget(context: Context, backend: Backend) -> int | None:
    """Bytes for the arrays of one stack, where something is known of the memory."""
    most = context.max_stack_bytes
    if most is None:
        free = backend.free_bytes()
        most = None if free is None else free // 2
    # An eighth is for what is not in arrays, and for what is made in passing.
    return None if most is None else most * 7 // 8 // context.alive


class Stack(Observer):
    """Trials in one training run; it ends when the search is to stop.

    Parameters
    ----------
    context : Context
    trials : list of Trial
    """

    def __init__(self, context: Context, trials: list[Trial]) -> None:
        self.context, self.trials = context, trials
        self.lost: dict[Key, dict] = {}
        self.places: list[list[int]] = []
        self.whole: Any = None
        self.run: Run | None = None
        with self._working():
            self._join([trial.task for trial in trials if trial.task is not None])

    @property
    def epochs(self) -> int:
        """Largest number of epochs of a trial."""
        return max(int(trial.training.model.max_iter) for trial in self.trials)

    def advance(self, until: int | None = None) -> None:
        """Train until this many epochs are done, or all.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it.
        """
        with self._working(), side_by_side(self.context.threads):
            if self.run is not None:
                self.run.advance(until)
                if self.run.interrupted or self.context.progress.stopped:
                    raise KeyboardInterrupt

    def scores(self) -> dict[Key, Any]:
        """Test scores of the jobs if training ended now; None of those that fail."""
        found: dict[Key, Any] = dict.fromkeys(self.lost)
        if self.run is None:
            return found
        whole = self.run.so_far()
        self._tell_failures()
        for trial, places in zip(self.trials, self.places, strict=True):
            found[trial.job.key] = None
            with failing(self.context, [trial.job], self.lost):
                view = trial.so_far(whole.take(places))
                found[trial.job.key] = scored(self.context, trial.job.fold.split, view.asked, True)
        return found

    def leave(self, candidates: set[int]) -> None:
        """End the training of some of the candidates here and now."""
        if self.run is not None:
            pairs = zip(self.trials, self.places, strict=True)
            gone = [places for trial, places in pairs if trial.job.candidate.number in candidates]
            self.run.leave([place for places in gone for place in places])

    def results(self) -> Results:
        """Settle the training and score the jobs; the stack is done with."""
        results: Results = []
        with self._working():
            outcome = self._settle()
        while self.trials:  # a network is gone when it is scored
            trial, places = self.trials.pop(0), self.places.pop(0)
            with failing(self.context, [trial.job], self.lost):
                results.append(self._settled(trial, outcome.take(places)))
                self.lost.pop(trial.job.key, None)
            if trial.job.key not in self.lost:
                results[-1] |= scores(self.context, trial.job.fold.split, trial.asked)
        return results + list(self.lost.values())

    def models(self) -> dict[int, Any]:
        """Settle the training; the fitted candidates, by number."""
        models, whole = {}, self._settle()
        for trial, places in zip(self.trials, self.places, strict=True):
            outcome, network, model = whole.take(places), trial.network, trial.job.candidate.model
            self._adopt(trial, outcome)
            resolved = trial.training.model
            attributes.warn_if_unfinished(resolved, outcome)
            attributes.warn_if_unscored(resolved, outcome)
            if outcome.diverged.any():
                super().diverged("", network.n_iter_, network.loss_)
            models[trial.job.candidate.number] = assembled(model, trial.inputs.fitted, network)
        return models

    def epoch_ends(self, epoch: int, loss: float, score: float | None, snapshot: Any) -> bool:
        """Count the epoch, and end training when the search is to stop."""
        progress = self.context.progress
        progress.advanced(1 if self.run is None else len(self.run.active))
        return progress.stopped

    def diverged(self, which: str, epoch: int, loss: Any, advice: str = ADVICE) -> None:
        """The job fails, and the search says so."""

    def interrupted(self) -> None:
        """The search says so."""

    def _join(self, tasks: list[Task]) -> None:
        """Make one training run of all."""
        ends = np.cumsum([len(task.members) for task in tasks]).tolist()
        pairs = zip(ends, tasks, strict=True)
        self.places = [list(range(end - len(task.members), end)) for end, task in pairs]
        views = [trial.training.prepared.rows.X for trial in self.trials]
        self.whole = stack(tasks, views[0].engine, [view.index for view in views])
        self.whole.budget = self._budget()
        if self.context.parts is not None:
            keys = [trial.job.key for trial in self.trials]
            self.whole.checkpoint = self.context.parts.checkpoint(keys)
        for trial in self.trials:
            trial.task = None
        self.run = self.whole.start(self)

    def _budget(self) -> Budget | None:
        """Time that the trials may take together: their own, and a share of the search's."""
        own = [trial.training.model.max_time for trial in self.trials]
        with within(self.context.granted([trial.job.candidate for trial in self.trials])):
            return budget_of(None if None in own else sum(own))

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Share the time of the block among the trials; with an error, all of them fail."""
        started, failed = time.perf_counter(), True
        with failing(self.context, [trial.job for trial in self.trials], self.lost):
            yield
            failed = False
        if failed:
            self.trials, self.places, self.run = [], [], None
        for trial in self.trials:
            trial.seconds += (time.perf_counter() - started) / len(self.trials)

    def _settle(self) -> Outcome:
        """What training left behind."""
        outcome: Any = None if self.run is None else self.run.outcome()
        self.run = None  # in a circle, which would keep the buffers for a while
        self._tell_failures()
        return outcome

    def _tell_failures(self) -> None:
        """Let the trials know of what their validation scores have raised."""
        if isinstance(getattr(self.whole, "score", None), JointScore):
            for place, error in self.whole.score.failures.items():
                self.trials[place].failure = error

    def _adopt(self, trial: Trial, outcome: Outcome) -> None:
        """Let a trial's network be what training left behind, unless its scores have failed."""
        if trial.failure is not None:
            raise trial.failure
        training = trial.training
        found = attributes.of_outcome(training.model, training, outcome, self.whole.rows)
        adopt(trial.network, found)

    def _settled(self, trial: Trial, outcome: Outcome) -> dict[str, Any]:
        """A trial's result, once its network is what training left behind."""
        started, resolved = time.perf_counter(), trial.training.model
        self._adopt(trial, outcome)
        if outcome.diverged.any():
            raise FloatingPointError(
                f"Training became non-finite in epoch {int(outcome.epochs.max())}. Lower "
                "learning_rate_init, set max_grad_norm, or scale the inputs and targets."
            )
        result: dict[str, Any] = {
            "key": trial.job.key,
            "fit_error": None,
            "max_iter": int(resolved.max_iter),
            "unfinished": attributes.is_unfinished(resolved, outcome),
            "unscored": attributes.missing_scores(resolved, outcome),
        }
        if self.whole.checkpoint is not None:
            result["part"] = self.whole.checkpoint.file
        if self.context.keeps_predictions:
            model, X, _ = trial.asked(True)
            result |= predicted(model, X, self.context.error_score)
        result["fit_time"] = trial.seconds + time.perf_counter() - started
        return result
