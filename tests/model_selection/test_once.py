"""Values that are made once, whoever asks first."""

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from search_case import T, classifier

from sknorm.model_selection import StackedGridSearchCV, context, folds
from sknorm.model_selection.once import Once


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """Calls of a function, which take long enough for others to begin meanwhile."""
    calls, own = [], getattr(module, name)

    def slow(*given: Any) -> Any:
        calls.append(name)
        time.sleep(0.05)
        return own(*given)

    monkeypatch.setattr(module, name, slow)
    return calls


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_threads_of_a_search_share_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = counted(monkeypatch, context, "view_table")
    prepared = counted(monkeypatch, folds, "prepare")
    model, grid = classifier(), {"alpha": [0.0, 0.1, 0.2, 0.3]}
    frame = np.where(T["X"] > 0, "yes", "no")
    search = StackedGridSearchCV(model, grid, cv=3, n_jobs=4, refit=False)
    search.fit(frame, T["multiclass"])
    assert (len(checks), len(prepared)) == (1, 3)


def test_each_key_has_a_value_of_its_own() -> None:
    values = Once()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda k: values.get(k % 2, lambda: [k % 2]), range(20)))
    assert found == [[0], [1]] * 10
    assert len({id(each) for each in found}) == 2


def test_what_failed_is_tried_again() -> None:
    values = Once()
    with pytest.raises(ZeroDivisionError):
        values.get("a", lambda: 1 / 0)
    assert values.get("a", lambda: 1) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_elsewhere_are_empty(duplicate: Any) -> None:
    values = Once()
    values.get("a", lambda: 1)
    assert duplicate(values).get("a", lambda: 2) == 2
