"""Examples of the user guide that stand on their own."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GUIDE = Path(__file__).parents[1] / "docs" / "user_guide.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def run(mark: str) -> dict[str, Any]:
    """The names that the only example with these words defines."""
    (code,) = [block for block in BLOCKS if mark in block]
    names: dict[str, Any] = {}
    exec(compile(code, mark, "exec"), names)
    return names


def test_scores_of_a_network_in_a_pipeline_are_monitored() -> None:
    names = run("ScoringMonitor")
    scores = names["scores"]["neg_mean_absolute_error"]
    assert len(scores) == 50 and scores.iloc[-1] > scores.iloc[0]


def test_a_model_is_saved() -> None:
    assert run("sknorm.save")["same"]


def test_several_quantiles_are_searched_over() -> None:
    names = run("d2_pinball_scorer")
    assert 0 < names["search"].best_score_ < 1


def test_graphs_are_saved_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("onnxruntime.InferenceSession")
    assert np.array_equal(names["label"], names["model"].predict(names["X"]))
    assert len(run("register_converters")["graph"].graph.output) == 2
