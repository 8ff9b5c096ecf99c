"""What is shown of the results of a search."""

from typing import Any

import numpy as np


def told(test: Any, train: Any) -> list[str]:
    """Scores in scikit-learn's words."""
    if not isinstance(test, dict):
        return [f"score={test:.3f}" if train is None else f"score=({train=:.3f}, {test=:.3f})"]
    before = {} if train is None else {name: f"train={train[name]:.3f}, " for name in train}
    return [f"{name}: ({before.get(name, '')}test={test[name]:.3f})" for name in sorted(test)]


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """What ``cv_results_`` shows of a result."""
    keys = ("fit_time", "score_time", "test_scores", "train_scores")
    return {key: result[key] for key in keys if key in result}


def completed(
    results: dict[tuple[int, int], dict[str, Any]], candidates: int, folds: int
) -> list[dict[str, Any]]:
    """What is shown of all jobs in their order, also of those that have no result."""
    some = next(iter(results.values()))
    keys = np.ndindex(candidates, folds)
    return [shown(results.get(key) or _unfinished(some)) for key in keys]


def _unfinished(like: dict[str, Any]) -> dict[str, Any]:
    """The result of a job that never ended, with NaN for all that another has."""

    def nothing(value: Any) -> Any:
        return dict.fromkeys(value, np.nan) if isinstance(value, dict) else np.nan

    return {key: nothing(value) for key, value in like.items()}
