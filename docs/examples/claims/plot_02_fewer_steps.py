"""
Fewer steps to the same loss
============================

*Batch normalization achieves the same accuracy with 14 times fewer training steps* (Ioffe and
Szegedy, 2015, on ImageNet). Here a network without the norm is trained for ten epochs, at the best
of several learning rates. How many steps does a network with the norm take, at its own best rate,
to the loss on held-out rows that the other one has reached? And where nine tenths of the way to it,
from a constant answer, are enough?
"""

# %%
# The measure, once with gradient descent (``sgd``) and once with Adam. The test rows are held out;
# between two epochs the logarithm of their loss is interpolated. The network with the norm has up
# to 30 epochs.

import numpy as np
from protocol import (
    BLUE,
    GREY,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    band,
    constant_loss,
    estimator,
    fit,
    judge,
    load,
    over_seeds,
    show,
)

RATES = {"sgd": np.logspace(-2.5, 0, 6), "adam": np.logspace(-3, -1, 5)}
EPOCHS = {None: 10, "batch": 30}


def measure(table: Table, seed: int) -> dict:
    """Curves at the best rate, epochs to both targets, and the fastest epoch, by solver."""
    found = {}
    for solver, rates in RATES.items():
        histories = {
            norm: [_history(table, seed, norm, solver, rate) for rate in rates] for norm in EPOCHS
        }
        curves = {norm: [_curve(each, table) for each in histories[norm]] for norm in EPOCHS}
        best = min(np.nanmin(curve) for curve in curves[None])
        near = best + 0.1 * (curves[None][0][0] - best)
        found[solver] = {"best": best, "near": near}
        for norm in EPOCHS:
            to_near, to_best = (
                [_first(curve, target) for curve in curves[norm]] for target in (near, best)
            )
            fastest = min(min(each["seconds"]) for each in histories[norm])
            curve = curves[norm][int(np.argmin(to_near))]
            found[solver][norm] = {
                "near": min(to_near),
                "best": min(to_best),
                "curve": curve,
                "seconds": fastest,
            }
    return found


def _curve(history: dict, table: Table) -> np.ndarray:
    """Held-out losses, from that of a constant answer before the first epoch."""
    half = 1.0 if table.n_classes else 0.5  # of the square error
    return np.array([half * constant_loss(table), *np.negative(history["validation"])])


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
    if not below.size:
        return float(len(curve) - 1)
    before, after = np.log(curve[below[0] - 1 : below[0] + 1])
    return float(below[0] - 1 + (before - np.log(target)) / (before - after))


def summarize(runs: list[dict]) -> Row:
    """Epochs of gradient descent; those of Adam and the price of an epoch beside them."""

    def epochs(solver: str, norm: str | None, target: str) -> list[float]:
        return [run[solver][norm][target] for run in runs]

    def verdict(solver: str, target: str) -> str:
        return judge(np.divide(epochs(solver, None, target), epochs(solver, "batch", target)))

    cells = [
        f"{over_seeds(epochs('sgd', norm, 'near'))}; {over_seeds(epochs('sgd', norm, 'best'))}"
        for norm in ("batch", None)
    ]
    cost = np.mean([run["sgd"]["batch"]["seconds"] / run["sgd"][None]["seconds"] for run in runs])
    return Row(
        "epochs of sgd to nine tenths of the way; to the best loss without (at most 30)",
        *cells,
        f"sgd: {verdict('sgd', 'near')}, to the best {verdict('sgd', 'best')}; "
        f"Adam: {verdict('adam', 'near')}, to the best {verdict('adam', 'best')}; "
        f"an epoch takes {cost:.2f} times as long",
    )


# %%
# The picture: held-out loss by epoch, each network at the rate that is first at nine tenths of the
# way.


def draw(table: Table, runs: list[dict]) -> None:
    """Both solvers, side by side."""
    _, both = axes(2, sharey=True)
    for ax, solver in zip(both, RATES, strict=True):
        for norm, color, label, style in (
            ("batch", BLUE, "batch norm", "-o"),
            (None, VERMILLION, "no norm", "--s"),
        ):
            shown = [run[solver][norm]["curve"][:16] for run in runs]
            band(ax, np.arange(len(shown[0])), shown, color, label, style)
        for target, style in (("near", "--"), ("best", ":")):
            height = np.mean([run[solver][target] for run in runs])
            label = "best without" if target == "best" else "nine tenths of the way"
            ax.axhline(height, color=GREY, linestyle=style, linewidth=1, label=label)
        ax.set(yscale="log", xlabel="epoch", title=f"{table.name}, {solver}")
    both[0].set(ylabel="held-out loss")
    both[1].legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# There are fewer steps with gradient descent, though not by a factor of 14; with Adam, and on
# other tables, the difference is often not clear. :doc:`More tables </claims>`.
