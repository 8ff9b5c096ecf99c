"""Examples of the documentation run, page by page, and say what the text says."""

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import config_context

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = DOCS / "user_guide"
PAGES = [DOCS.parent / "README.md", DOCS / "index.md", DOCS / "getting_started.md"]
PAGES += [DOCS / "devices.md", *sorted(GUIDE.glob("*.md"))]
PAGES += sorted((DOCS / "migration").glob("*.md"))
NEEDS_A_DEVICE = ("cupy", "parallel_config")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def blocks(page: Path) -> list[str]:
    """The Python examples of a page, without those that need a device."""
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [block for block in found if not any(word in block for word in NEEDS_A_DEVICE)]


def run(page: Path, mark: str = "") -> dict[str, Any]:
    """The names that a page's examples define, or the only one with these words."""
    names: dict[str, Any] = {}
    chosen = [block for block in blocks(page) if mark in block]
    assert not mark or len(chosen) == 1
    with config_context():
        for block in chosen:
            if block.startswith(">>>"):
                check(block, names, page.name)
            else:
                exec(compile(block, str(page), "exec"), names)
    return names


def check(block: str, names: dict[str, Any], name: str) -> None:
    """Run an example that shows what it prints."""
    example = doctest.DocTestParser().get_doctest(block, names, name, name, 0)
    outcome = doctest.DocTestRunner().run(example, clear_globs=False)
    assert outcome.failed == 0


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent).with_suffix(""))
)
def test_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


def test_every_page_of_the_guide_is_in_its_table_and_its_contents() -> None:
    guide = (DOCS / "user_guide.md").read_text(encoding="utf-8")
    for page in [DOCS / "devices.md", *GUIDE.glob("*.md")]:
        name = str(page.relative_to(DOCS).with_suffix(""))
        assert f"({name}.md)" in guide
        assert f"\n{name}\n" in guide


def test_scores_of_a_network_in_a_pipeline_are_monitored() -> None:
    names = run(GUIDE / "training.md", "ScoringMonitor")
    scores = names["scores"]["neg_mean_absolute_error"]
    assert len(scores) == 50 and scores.iloc[-1] > scores.iloc[0]


def test_a_model_is_saved() -> None:
    assert run(GUIDE / "saving.md", "sknorm.save")["same"]


def test_several_quantiles_are_searched_over() -> None:
    names = run(GUIDE / "estimators.md", "d2_pinball_scorer")
    assert 0 < names["search"].best_score_ < 1


def test_graphs_are_saved_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run(GUIDE / "onnx.md", "onnxruntime.InferenceSession")
    assert np.array_equal(names["label"], names["model"].predict(names["X"]))
    assert len(run(GUIDE / "onnx.md", "register_converters")["graph"].graph.output) == 2
