"""
Batch, layer, group and instance norm
=====================================

*Batch norm's error rises rapidly when batches become small; group norm's does not* (Wu and He,
2018). Which values a norm takes together makes the difference: those of a unit over the batch
(batch), of a row (layer), of a part of a row (group), or, in images, those of one map of one image
(instance). In images batch norm has height times width values of each row, so a batch of two has
128 of them on a map of 8 x 8.
"""

# %%
# The measure, on tables: networks of two hidden layers, for as many rows in all at each batch size,
# at a learning rate in proportion to it. Predictions by batch norm use exact statistics.
# On a table, instance norm would leave nothing of a row: a single value less its mean is zero.

import numpy as np
from networks import Network, loss, targets
from numpy.lib.stride_tricks import sliding_window_view
from protocol import (
    BLUE,
    GREEN,
    GREY,
    PINK,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    band,
    judge,
    load,
    mark_sizes,
    over_seeds,
    show,
)
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknorm import functional

BATCHES = (2, 4, 16, 64)
ROWS, EPOCHS = 500, 4


def measure(table: Table, seed: int) -> dict:
    """Test losses over the batch sizes by norm: of the table, and of its rows as images."""
    found = {"table": {}, "images": {}}
    for norm in ("batch", "layer", "group", None):
        found["table"][norm] = [_of_table(table, seed, norm, size) for size in BATCHES]
    if table.name == "digits":
        images = np.pad(load_digits().images / 16, ((0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(-1, 8, 8, 9)
        for norm in (*PAIRS, None):
            found["images"][norm] = [_of_images(windows, seed, norm, size) for size in BATCHES]
    return found


def _of_table(table: Table, seed: int, norm: str | None, batch: int) -> float:
    rows = np.random.default_rng(seed).permutation(len(table.X_train))[:ROWS]
    X, Y = table.X_train[rows], targets(table.y_train[rows], table.n_classes)
    network = Network([X.shape[1], 32, 32, Y.shape[1]], norm, "relu", seed)
    network.train(X, Y, 0.05 * batch / 64, EPOCHS, batch)
    Y_test = targets(table.y_test, table.n_classes)
    return network.loss(table.X_test, Y_test, network.moments(X))


# %%
# And on the digits as images, by a convolution of 3 x 3 with eight maps. The norms are those of
# :mod:`sknorm.functional`, which take maps of shape (n, h, w, c) as they are.

BATCH, LAYER, GROUP = functional.batch_norm, functional.layer_norm, functional.group_norm
INSTANCE = functional.instance_norm
PAIRS = {
    "batch": (BATCH, functional.batch_norm_backward),
    "layer": (lambda x: LAYER(x, axis=(1, 2, 3)), functional.layer_norm_backward),
    "group": (lambda x: GROUP(x, 4), functional.group_norm_backward),
    "instance": (INSTANCE, functional.instance_norm_backward),
}


def _of_images(windows: np.ndarray, seed: int, norm: str | None, batch: int) -> float:
    """Test loss; windows are the neighbourhoods of each pixel, of shape (n, 8, 8, 9)."""
    Y = targets(load_digits().target, 10)
    windows, test, Y, Y_test = train_test_split(windows, Y, train_size=ROWS, random_state=seed)
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, np.sqrt(2 / 9), (9, 8)), rng.normal(0, 1 / 16, (128, 10))]
    speeds = [np.zeros_like(each) for each in weights]
    for _ in range(EPOCHS):
        order = rng.permutation(ROWS)
        for start in range(0, ROWS - batch + 1, batch):
            rows = order[start : start + batch]
            slopes = _gradients(windows[rows], Y[rows], weights, norm)
            for values, speed, slope in zip(weights, speeds, slopes, strict=True):
                speed *= 0.9
                speed -= 0.05 * batch / 64 * slope
                values += speed
    products = windows @ weights[0]
    moments = (products.mean(axis=(0, 1, 2)), products.var(axis=(0, 1, 2)))
    return loss(_forward(test, weights, norm, moments)[0], Y_test)[0]


def _forward(windows, weights, norm, moments=None):
    """Convolution, norm, ReLU, means of 2 x 2 pixels, and a linear layer."""
    maps, cache = windows @ weights[0], None
    if moments and norm == "batch":
        maps = (maps - moments[0]) / np.sqrt(moments[1] + 1e-5)
    elif norm:
        maps, cache = PAIRS[norm][0](maps)
    pooled = np.maximum(maps, 0).reshape(-1, 4, 2, 4, 2, 8).mean(axis=(2, 4)).reshape(-1, 128)
    return pooled @ weights[1], pooled, maps, cache


def _gradients(windows, Y, weights, norm):
    """Gradients of both weights."""
    outputs, pooled, maps, cache = _forward(windows, weights, norm)
    delta = loss(outputs, Y)[1]
    spread = (delta @ weights[1].T).reshape(-1, 4, 1, 4, 1, 8) / 4
    back = np.broadcast_to(spread, (len(Y), 4, 2, 4, 2, 8)).reshape(maps.shape) * (maps > 0)
    if cache is not None:
        back = PAIRS[norm][1](back, cache)[0]
    return windows.reshape(-1, 9).T @ back.reshape(-1, 8), pooled.T @ delta


def summarize(runs: list[dict]) -> Row:
    """How much worse the smallest batches are than the largest, and than layer norm's."""
    table = {norm: np.array([run["table"][norm] for run in runs]) for norm in runs[0]["table"]}
    batch, layer = table["batch"], table["layer"]
    text = f"small batches hurt: {judge(batch[:, 0] / batch[:, -1])}; "
    text += f"layer norm better in batches of 2: {judge(batch[:, 0] / layer[:, 0])}"
    if runs[0]["images"]:
        images = np.array([run["images"]["batch"] for run in runs])
        text += f"; on images small batches hurt: {judge(images[:, 0] / images[:, -1])}"
    cells = {k: f"{over_seeds(v[:, 0])}, {over_seeds(v[:, -1])}" for k, v in table.items()}
    return Row(
        "test loss, batches of 2 and 64",
        "; ".join(f"{norm} {cell}" for norm, cell in cells.items() if norm),
        cells[None],
        text,
    )


# %%
# The picture: on the left the table, on the right the same rows as images.


def draw(table: Table, runs: list[dict]) -> None:
    """Test loss over the batch size."""
    _, both = axes(2)
    styles = {
        "batch": (BLUE, "-o"),
        "layer": (VERMILLION, "--s"),
        "group": (GREEN, ":^"),
        "instance": (PINK, "-.D"),
        None: (GREY, "-"),
    }
    for ax, kind in zip(both, ("table", "images"), strict=True):
        for norm in runs[0][kind]:
            lines = [run[kind][norm] for run in runs]
            band(ax, BATCHES, lines, styles[norm][0], norm or "no norm", styles[norm][1])
        mark_sizes(ax, BATCHES)
        ax.set_yscale("log")
        ax.set_title(f"{table.name} as {'a table' if kind == 'table' else 'images'}")
    both[0].set(ylabel="test loss")
    both[1].legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# On the table, batches of two rows ruin batch norm alone. On images they do no harm. :doc:`More
# tables </claims>`.
