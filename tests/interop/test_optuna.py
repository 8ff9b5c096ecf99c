"""Optuna: studies that prune trials between chunks of training, and that run in threads."""

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from sknorm import MLPClassifier

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Table = tuple[np.ndarray, np.ndarray]


def test_pruning_through_partial_fit(binary: Table) -> None:
    X, y = binary

    def objective(trial: optuna.Trial) -> float:
        model = MLPClassifier(
            hidden_layer_sizes=(8,),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            learning_rate_init=trial.suggest_float("learning_rate_init", 1e-5, 0.1, log=True),
            random_state=0,
            preset="sklearn",
        )
        for epoch in range(8):
            model.partial_fit(X[:160], y[:160], classes=[0, 1])
            score = model.score(X[160:], y[160:])
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.optimize(objective, n_trials=10)
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"} and study.best_value > 0.8


def test_objective_of_cross_validation_in_threads(binary: Table) -> None:
    """Trials that run side by side score as each alone."""

    def objective(trial: optuna.Trial) -> float:
        model = MLPClassifier(
            hidden_layer_sizes=(trial.suggest_int("units", 2, 12),),
            normalization=trial.suggest_categorical("normalization", [None, "batch", "layer"]),
            max_iter=5,
            random_state=0,
            preset="sklearn",
        )
        return float(cross_val_score(model, *binary, cv=2, error_score="raise").mean())

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=6, n_jobs=2)
    for trial in study.trials:
        assert objective(optuna.trial.FixedTrial(trial.params)) == trial.value
