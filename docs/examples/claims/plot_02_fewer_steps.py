"""
Fewer steps to the same loss
============================

*Batch normalization achieves the same accuracy with 14 times fewer training steps* (Ioffe and
Szegedy, 2015, on ImageNet). Here a network without the norm is trained for ten epochs, at the best
of several learning rates. How many steps does a network with the norm take, at its own best rate,
to the loss on held-out rows that the other one has reached?
"""

# %%
# The measure, once with gradient descent (``sgd``) and once with Adam. The test rows are held out;
# between two epochs the logarithm of their loss is interpolated. The network with the norm has up
# to 30 epochs.

import numpy as np
from protocol import BLUE, GREY, SEEDS, VERMILLION, Row, Table, axes, band, estimator, fit, judge
from protocol import load, over_seeds, show

RATES = {"sgd": np.logspace(-2.5, 0, 6), "adam": np.logspace(-3, -1, 5)}
EPOCHS = {None: 10, "batch": 30}


def measure(table: Table, seed: int) -> dict:
    """Curves at the best rate, epochs to the target, and the fastest epoch's seconds, by solver."""
    found = {}
    for solver, rates in RATES.items():
        histories = {
            norm: [_history(table, seed, norm, solver, rate) for rate in rates] for norm in EPOCHS
        }
        curves = {norm: [-np.array(each["validation"]) for each in histories[norm]] for norm in EPOCHS}
        target = min(np.nanmin(curve) for curve in curves[None])
        epochs = {norm: [_first(curve, target) for curve in curves[norm]] for norm in EPOCHS}
        best = {norm: int(np.argmin(epochs[norm])) for norm in EPOCHS}
        found[solver] = {
            "curves": {norm: curves[norm][best[norm]] for norm in EPOCHS},
            "epochs": {norm: epochs[norm][best[norm]] for norm in EPOCHS},
            "seconds": {
                norm: min(second for each in histories[norm] for second in each["seconds"])
                for norm in EPOCHS
            },
            "target": target,
        }
    return found


def _history(table: Table, seed: int, norm: str | None, solver: str, rate: float) -> dict:
    """Training on the training rows alone, with the test rows as those that are held out."""
    held_out = np.arange(len(table.X_train) + len(table.X_test)) >= len(table.X_train)
    whole = table._replace(
        X_train=np.concatenate([table.X_train, table.X_test]),
        y_train=np.concatenate([table.y_train, table.y_test]),
    )
    settings = {"normalization": norm, "solver": solver, "max_iter": EPOCHS[norm]}
    settings |= {"early_stopping": True, "validation_fraction": held_out}
    return fit(estimator(whole, seed, learning_rate_init=rate, **settings), whole).history_


def _first(curve: np.ndarray, target: float) -> float:
    """Epochs until the curve crosses the target; as many as there are if it never does."""
    below = np.flatnonzero(curve <= target)
    if not below.size or below[0] == 0:
        return float(below[0] + 1 if below.size else len(curve))
    before, after = np.log(curve[below[0] - 1 : below[0] + 1])
    return float(below[0] + (before - np.log(target)) / (before - after))


def summarize(runs: list[dict]) -> Row:
    """Epochs of gradient descent; those of Adam and the price of an epoch beside them."""
    ratios = {
        solver: [run[solver]["epochs"][None] / run[solver]["epochs"]["batch"] for run in runs]
        for solver in RATES
    }
    cost = np.mean([run["sgd"]["seconds"]["batch"] / run["sgd"]["seconds"][None] for run in runs])
    with_norm, without = ([run["sgd"]["epochs"][norm] for run in runs] for norm in ("batch", None))
    return Row(
        "epochs to the same held-out loss, sgd",
        over_seeds(with_norm),
        over_seeds(without),
        f"{judge(ratios['sgd'])}; with Adam: {judge(ratios['adam'])}; "
        f"an epoch takes {cost:.2f} times as long",
    )


# %%
# The picture: held-out loss by epoch, each network at the rate that reaches the target first.


def draw(table: Table, runs: list[dict]) -> None:
    """Both solvers, side by side."""
    _, both = axes(2, sharey=True)
    for ax, solver in zip(both, RATES, strict=True):
        for norm, color, label, style in (
            ("batch", BLUE, "batch norm", "-o"),
            (None, VERMILLION, "no norm", "--s"),
        ):
            shown = [run[solver]["curves"][norm][:15] for run in runs]
            band(ax, np.arange(len(shown[0])) + 1, shown, color, label, style)
        target = np.mean([run[solver]["target"] for run in runs])
        ax.axhline(target, color=GREY, linestyle=":", label="best without")
        ax.set(yscale="log", xlabel="epoch", title=f"{table.name}, {solver}")
    both[0].set(ylabel="held-out loss")
    both[1].legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)
