"""What do raw tables cost: to learn their columns, to train on them, to predict a row?

- Columns of a frame, half of them numbers, half of them text of 1,000 levels, beside
  pandas.factorize on those of text.
- An epoch of a fit on adult (or on a frame like it), beside the same network behind scikit-learn's
  ColumnTransformer with a StandardScaler and a dense OneHotEncoder, which is fitted as well.
- One row of a frame.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    repeated,
    restart_with_threads,
    verdict,
)

from sknorm import MLPClassifier
from sknorm.data import checks
from sknorm.data.columns import Columns, Reading

LEVELS = (9, 16, 7, 15, 6, 5, 2, 42)  # of adult's categories
NUMBERS = 6
ROWS = 48_842
SCALINGS = ("standard", "robust")
BAR_OF_LEARNING, BAR_OF_EPOCH, BAR_OF_ROW = 2.0, 1.5, 3.0


def main() -> None:
    """Print the times and the bars."""
    arguments = parse_arguments()
    restart_with_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    frame, y = adult(arguments.tables)
    clock, repeats = arguments.clock, arguments.repeats
    print(f"{describe_machine()}\n- {clock} time\n")
    table = [_learning(arguments.rows, dtype, repeats, clock) for dtype in ("str", "category")]
    print(markdown(["text", "factorize s", "standard", "robust"], table))
    epochs = [_epoch(frame, y, hidden, repeats, clock) for hidden in ((100,), (256, 256, 256))]
    print("\n" + markdown(["hidden layers", "fit s", "Pipeline s", "Pipeline / fit"], epochs))
    print("\n" + markdown(["one row ms"], [_row(frame, y, repeats, clock)]))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tables", type=Path, metavar="DIR", help="DIR/data/adult.parquet")
    add_clock_argument(parser)
    return parser.parse_args()


def adult(folder: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of this name, or one with as many columns, rows and levels."""
    if folder is not None:
        frame = pd.read_parquet(folder / "data" / "adult.parquet")
        return frame, frame.pop("__target__").to_numpy()
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{j}": rng.normal(size=ROWS) for j in range(NUMBERS)}
    for j, levels in enumerate(LEVELS):
        names = np.array([f"level {i}" for i in range(levels)])
        columns[f"c{j}"] = pd.Categorical(names[rng.integers(0, levels, ROWS)])
    frame = pd.DataFrame(columns)
    return frame, frame["x0"].to_numpy() + frame["c0"].cat.codes.to_numpy() > 4


def wide_frame(rows: int, dtype: str) -> pd.DataFrame:
    """25 columns of numbers and 25 of text."""
    rng = np.random.default_rng(0)
    levels = np.array([f"level {i}" for i in range(1000)])
    columns: dict[str, Any] = {f"x{j}": rng.normal(size=rows) for j in range(25)}
    for j in range(25):
        columns[f"c{j}"] = pd.Series(levels[rng.integers(0, 1000, rows)]).astype(dtype)
    return pd.DataFrame(columns)


def _learning(rows: int, dtype: str, repeats: int, clock: str) -> tuple[str, ...]:
    frame = wide_frame(rows, dtype)

    def factorize() -> None:
        for j in range(25):
            pd.factorize(frame[f"c{j}"])

    def learn(scaling: str) -> None:
        table = checks.check_features(MLPClassifier(), frame, reset=True)
        Columns.learn(table, None, None, Reading(scaling))

    contenders = [Contender("factorize", factorize)]
    contenders += [Contender(each, partial(learn, each)) for each in SCALINGS]
    times = interleave(contenders, repeats, clock=clock)
    ratios = [times[each] / times["factorize"] for each in SCALINGS]
    shown = (verdict(ratio, BAR_OF_LEARNING, at_least=False) for ratio in ratios)
    return dtype, f"{times['factorize']:.2f}", *shown


def _epoch(
    frame: pd.DataFrame, y: np.ndarray, hidden: tuple[int, ...], repeats: int, clock: str
) -> tuple[str, ...]:
    categories = list(frame.select_dtypes("category"))
    others = [name for name in frame if name not in categories]

    def network() -> MLPClassifier:
        return MLPClassifier(
            hidden, preset="sklearn", max_iter=1, random_state=0, early_stopping=False
        )

    def piped() -> None:
        encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
        columns = make_column_transformer((StandardScaler(), others), (encoder, categories))
        make_pipeline(columns, network()).fit(frame, y)

    contenders = [
        Contender("raw", lambda: network().fit(frame, y)),
        Contender("piped", piped),
    ]
    times = interleave(contenders, repeats, clock=clock)
    ratio = verdict(times["piped"] / times["raw"], BAR_OF_EPOCH)
    return str(hidden), f"{times['raw']:.3f}", f"{times['piped']:.3f}", ratio


def _row(frame: pd.DataFrame, y: np.ndarray, repeats: int, clock: str) -> tuple[str, ...]:
    model = MLPClassifier(preset="sklearn", max_iter=1, random_state=0).fit(frame, y)
    row = frame.iloc[[5]]
    contenders = [repeated("predict", partial(model.predict, row), 0.05)]
    seconds = interleave(contenders, repeats, clock=clock)["predict"]
    return (verdict(1e3 * seconds, BAR_OF_ROW, at_least=False),)


if __name__ == "__main__":
    main()
