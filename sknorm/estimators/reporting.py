"""What users hear while a model is trained: printed lines and scikit-learn's callbacks."""

from collections.abc import Callable
from typing import Any

from sknorm.estimators.stages import Given, Training
from sknorm.network.network import Network
from sknorm.training.plan import Observer, Outcome


class Reporter(Observer):
    """Prints scikit-learn's lines and runs the tasks of its callback protocol.

    Parameters
    ----------
    estimator : estimator
        Being fitted.
    training : Training
    given : Given
        Callbacks may score on it.
    """

    def __init__(self, estimator: Any, training: Training, given: Given) -> None:
        self.estimator, self.training = estimator, training
        metadata = None if given.weight is None else {"sample_weight": given.weight}
        self.given = {"X": given.X, "y": given.y, "metadata": metadata}
        model = training.model
        count = model.max_iter
        if model.solver == "lbfgs":  # member after member; SciPy announces one that never runs
            count = (count + 1) * model.n_members
        self.root = estimator._init_callback_context(max_subtasks=count)
        self.root.call_on_fit_task_begin(estimator=estimator, **self.given)
        self.task: Any = None

    def epoch_begins(self) -> None:
        self._end_open_task()
        self.task = self.root.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.estimator, **self.given)

    def epoch_ends(
        self, epoch: int, loss: float, score: float | None, snapshot: Callable[[], Network]
    ) -> bool:
        if self.estimator.verbose:
            print(f"Iteration {epoch + 1}, loss = {loss:.8f}")
            if score is not None:
                print(f"Validation score: {score:f}")
        task, self.task = self.task, None
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self._attributes(epoch, loss, snapshot()),
            **self.given,
        )

    def plateau(self, member: int, by_score: bool, rate: float | None) -> None:
        estimator = self.training.model
        if not estimator.verbose:
            return
        what = "Validation score" if by_score else "Training loss"
        which = f" of member {member}" if estimator.n_members > 1 else ""
        then = "Stopping." if rate is None else f"Setting learning rate to {rate:f}"
        print(
            f"{what}{which} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs. {then}"
        )

    def close(self, outcome: Outcome) -> None:
        """End the tasks that are open: training is over."""
        if outcome.timed_out and self.estimator.verbose:
            print(f"max_time={self.estimator.max_time} is over. Stopping.")
        self._end_open_task()
        self.root.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.given
        )

    def _attributes(self, epoch: int, loss: float, network: Network) -> dict[str, Any]:
        """What makes a copy of the estimator one that is fitted so far."""
        return {**self.training.attributes(network), "n_iter_": epoch + 1, "loss_": loss}

    def _end_open_task(self) -> None:
        """End an epoch that began, but came to nothing."""
        if self.task is not None:
            task, self.task = self.task, None
            task.call_on_fit_task_end(estimator=self.estimator)
