"""Training and scoring of a unit of jobs, their networks stacked."""

import copy
import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from traceback import format_exc
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from sknorm._sklearn import _num_samples, _score
from sknorm.backends import Backend, side_by_side
from sknorm.data.table import View
from sknorm.estimators import attributes
from sknorm.estimators.fitted import adopt, shallow_copy
from sknorm.estimators.fitting import Given, HeldOut, plan_training, prepare
from sknorm.model_selection.alone import fit_alone
from sknorm.model_selection.evaluation import Checked, Context, Job, Table, Unit
from sknorm.model_selection.inputs import Inputs, assembled, rows_of, taken
from sknorm.model_selection.predictions import predicted
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.stacks import Entry, Lead, Stack
from sknorm.network.network import Network
from sknorm.training.footprint import Footprint
from sknorm.training.plan import Observer, Outcome
from sknorm.training.stacking import signature

_GIVEN = ("X_val", "y_val", "sample_weight_val")


def evaluate(
    X: Any, y: Any, table: Table, context: Context, unit: Unit, progress: Progress
) -> list[dict[str, Any]]:
    """Train and score the jobs of a unit.

    Parameters
    ----------
    X, y : table and targets
        All rows.
    table : Table
        Of X.
    context : Context
    unit : Unit
    progress : Progress

    Returns
    -------
    list of dict
        One of each job, in the form of scikit-learn's ``_fit_and_score``, with its ``job``.
    """
    if unit.alone:
        with side_by_side(context.threads):
            return [fit_alone(X, y, context, job, progress) for job in unit.jobs]
    table.X = X
    work = Work(X, y, table, context, unit, progress)
    results = []
    while work.parts:  # one after the other: a stack is gone before the next is made
        work.gather([work.parts.pop(0)])
        work.advance()
        results += work.results()
    return results + work.lost()


class Work:
    """The networks of a unit's jobs, in training; see :func:`evaluate`."""

    def __init__(
        self, X: Any, y: Any, table: Table, context: Context, unit: Unit, progress: Progress
    ) -> None:
        self.X, self.y, self.table, self.context, self.unit = X, y, table, context, unit
        self.progress = progress
        self.failures: dict[tuple[int, int], str] = {}
        self._inputs: dict[int, Inputs] = {}
        self._own_tables: dict[int, Table] = {}
        self._leads: dict[Hashable, Lead] = {}
        groups: dict[Hashable, list[Entry]] = defaultdict(list)
        for job in unit.jobs:
            entry = self._trying([job], partial(self._entry, job))
            if entry is not None and entry.task is not None:
                groups[signature(entry.task), id(entry.lead.table)].append(entry)
        self.stacks: list[Stack] = []
        self.parts: list[list[Entry]] = []
        for group in groups.values():
            self.parts += self._trying([e.job for e in group], partial(self._cut, group)) or []

    def gather(self, parts: Sequence[list[Entry]]) -> None:
        """Put entries in stacks, one of each part, for the calls that follow."""
        stacks = [
            self._trying([e.job for e in part], partial(Stack, part, self.progress))
            for part in parts
        ]
        self.stacks = [made for made in stacks if made is not None]

    def advance(self, until: int | None = None) -> None:
        """Train until this many epochs are done, or all.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it.
        """
        with side_by_side(self.context.threads):
            for each in self.stacks:
                self._trying([e.job for e in each.entries], partial(each.advance, until))

    def scores(self) -> dict[tuple[int, int], Any]:
        """Test scores of the jobs as they are now, by candidate and fold."""
        scores: dict[tuple[int, int], Any] = {}
        for each in self.stacks:
            for entry, network in each.so_far():
                job = entry.job
                view = partial(self._score_so_far, entry, network)
                scores[job.key] = self._trying([job], view)
        scores.update(dict.fromkeys(self.failures))
        return scores

    def leave(self, candidates: set[int]) -> None:
        """End the training of some of the candidates here and now."""
        for each in self.stacks:
            each.leave(candidates)

    def results(self) -> list[dict[str, Any]]:
        """Settle the training of the stacks and score their jobs."""
        results = []
        while self.stacks:
            each = self.stacks.pop(0)
            outcome = self._trying([entry.job for entry in each.entries], each.settle)
            while each.entries and outcome is not None:  # a network is gone when it is scored
                entry, places = each.entries.pop(0), each.places.pop(0)
                done = self._trying([entry.job], partial(self._settled, entry, outcome, places))
                results += [] if done is None else [self._scored(entry, done)]
        return results

    def models(self) -> dict[int, Any]:
        """Settle the training of the stacks; their fitted candidates, by number."""
        models = {}
        for each in self.stacks:
            whole = each.settle()
            for entry, places in zip(each.entries, each.places, strict=True):
                network, candidate, outcome = entry.network, entry.job.candidate, whole.take(places)
                entry.settle(outcome)
                attributes.warn_if_unfinished(network, outcome)
                attributes.warn_if_unscored(network, outcome)
                if outcome.diverged.any():
                    Observer().diverged("", network.n_iter_, network.loss_)
                models[candidate.number] = assembled(candidate.model, entry.inputs.steps, network)
        return models

    def lost(self) -> list[dict[str, Any]]:
        """Results of the jobs that failed."""
        lost = [job for job in self.unit.jobs if job.key in self.failures]
        return [self.context.failure(job, self.failures[job.key]) for job in lost]

    def _trying(self, jobs: Sequence[Job], do: Callable[[], Any]) -> Any:
        """What ``do`` returns; if it fails, so do the jobs, unless errors are to be raised."""
        try:
            return do()
        except Exception:
            if self.context.error_score == "raise":
                raise
            text = format_exc()
            self.failures.update({job.key: text for job in jobs})
            return None

    def _entry(self, job: Job) -> Entry:
        """A job's network and task."""
        started = time.perf_counter()
        candidate = job.candidate
        if candidate.fault is not None:
            raise candidate.fault.with_traceback(None)  # or it would grow with each job
        inputs = self._inputs_of(job)
        network = _fresh(candidate.network)
        given = _arguments(network, inputs)
        lead = self._lead(job, network, inputs, given)
        held = HeldOut(*(given.get(name) for name in _GIVEN))
        training, task = plan_training(network, lead.prepared, None, held)
        seconds = time.perf_counter() - started
        return Entry(job, network, inputs, training, task, task.rows, lead, seconds)

    def _inputs_of(self, job: Job) -> Inputs:
        if job.split not in self._inputs:
            fold, prefix = self.context.fold(job.split), self.unit.prefix
            self._inputs[job.split] = (
                fold.plain(self.X, self.y, job.candidate.model)
                if prefix is None
                else prefix(self.X, self.y)
            )
        return self._inputs[job.split]

    def _lead(self, job: Job, network: Any, inputs: Inputs, given: dict[str, Any]) -> Lead:
        key = job.split, job.candidate.preparation
        if key not in self._leads:
            table, rows = self._placed(network, inputs, job.split)
            network = table.headed(network)
            plain, own = self.unit.prefix is None, self.context.splits[job.split][0]
            y = taken(self.y, own) if plain else inputs.train()[1]
            view = View(table.checked, rows, table.engine)
            weight, groups = given.get("sample_weight"), given.get("groups")
            facts = Given(view, y, weight, groups, like=table.given)
            prepared = prepare(network, facts)
            if prepared.rows.positions is not None:
                rows = rows[prepared.rows.positions]
            self._leads[key] = Lead(prepared, rows, table.engine)
        return self._leads[key]

    def _placed(self, network: Any, inputs: Inputs, split: int) -> tuple[Checked, np.ndarray]:
        """The table that a fold's training rows are in, and where they are in it."""
        if self.unit.prefix is None:
            try:
                table = self.table(network, self.context.splits)
                return table, self.context.splits[split][0]
            except ValueError:  # of a row of another fold, which fails for it
                pass
        X, _ = inputs.train()
        own = self._own_tables.setdefault(split, Table(X))
        return own(network), np.arange(_num_samples(X))

    def _cut(self, entries: list[Entry]) -> list[list[Entry]]:
        """Entries in parts whose stacks fit into memory."""
        task = entries[0].task
        assert task is not None
        budget = self._budget(task.network.backend)
        if budget is None:
            return [entries]
        each = sum(int(array.nbytes) for array in (task.data.y, task.data.weight))
        views = each * len({id(entry.lead) for entry in entries})
        budget -= views
        footprint = Footprint.of(task.network, task.batches, task.data, task.plan)
        sizes, members = task.batches.sizes, len(task.members)
        if footprint.largest_stack(budget, sizes) < members:
            needed = footprint.stack_bytes(members, sizes) + views
            raise MemoryError(
                f"One network of this search takes {needed:,} bytes in training, beside the "
                f"table, but a stack may take {budget + views:,}. Raise "
                "max_stack_bytes, or lower batch_size, the hidden layers or n_jobs."
            )
        # The other jobs of the unit wait with their initial weights and the order of their rows.
        waiting = members * len(self.unit.jobs) * (footprint.network_bytes + 8 * task.rows)
        size = max(1, footprint.largest_stack(budget - waiting, sizes) // members)
        return [entries[start : start + size] for start in range(0, len(entries), size)]

    def _budget(self, backend: Backend) -> int | None:
        """Bytes for the arrays of one stack, where something is known of the memory."""
        most = self.context.max_stack_bytes
        if most is None:
            free = backend.free_bytes()
            most = None if free is None else free // 2
        # An eighth is for what is not in arrays, and for what is made in passing.
        return None if most is None else most * 7 // 8 // self.context.alive

    def _settled(self, entry: Entry, whole: Outcome, places: list[int]) -> dict[str, Any]:
        """Settle a job's network, which is at these places of the stack."""
        started, outcome = time.perf_counter(), whole.take(places)
        if entry.failure is not None:
            raise entry.failure
        if outcome.diverged.any():
            epoch = int(outcome.epochs.max())
            raise FloatingPointError(
                f"Training became non-finite in epoch {epoch}. Lower learning_rate_init, set "
                "max_grad_norm, or scale the inputs and targets."
            )
        entry.settle(outcome)
        result: dict[str, Any] = {"job": entry.job, "fit_error": None}
        result["unfinished"] = attributes.is_unfinished(entry.network, outcome)
        result["unscored"] = attributes.missing_scores(entry.network, outcome)
        if self.context.keeps_predictions:
            model, X, _ = self._asked(entry.network, entry, test=True)
            result |= predicted(model, X, self.context.error_score)
        result["fit_time"] = entry.seconds + time.perf_counter() - started
        return result

    def _scored(self, entry: Entry, result: dict[str, Any]) -> dict[str, Any]:
        """The result with its scores; what is no score at all fails the search."""
        started = time.perf_counter()
        result["test_scores"] = self._scores(entry.network, entry, test=True)
        result["score_time"] = time.perf_counter() - started
        if self.context.return_train_score:
            result["train_scores"] = self._scores(entry.network, entry, test=False)
        return result

    def _score_so_far(self, entry: Entry, network: Network) -> Any:
        """A job's test scores if training ended now."""
        if entry.failure is not None:
            raise entry.failure
        view = shallow_copy(entry.network)
        adopt(view, entry.training.attributes(network))
        return self._scores(view, entry, test=True)

    def _scores(self, network: Any, entry: Entry, test: bool) -> Any:
        context = self.context
        rows = context.splits[entry.job.split][1 if test else 0]
        params = rows_of(context.score_params, rows, _num_samples(self.X))
        model, X, y = self._asked(network, entry, test)
        return _score(model, X, y, context.scorer, params, context.error_score)

    def _asked(self, network: Any, entry: Entry, test: bool) -> tuple[Any, Any, Any]:
        """Who is scored on which rows and targets: the network, or its whole Pipeline."""
        inputs, has_steps = entry.inputs, self.unit.prefix is not None
        # Training rows were transformed, or drawn, as the steps were fitted: later on they differ.
        anew = has_steps and (not test or inputs.test[0] is None)
        if not anew and self.context.scores_networks:
            return network, *(inputs.test if test else inputs.train())
        model = assembled(entry.job.candidate.model, inputs.steps, network)
        rows = self.context.splits[entry.job.split][1 if test else 0]
        return model, taken(self.X, rows), taken(self.y, rows)


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


def _arguments(network: Any, inputs: Inputs) -> dict[str, Any]:
    """Arguments of ``fit`` by name; unknown ones are refused as it refuses them."""
    return inspect.signature(network.fit).bind(None, None, **inputs.params).arguments
