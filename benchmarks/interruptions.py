"""What do checkpoints cost, and how well do fits keep to ``max_time``?

A checkpoint is written every 10 seconds of training, say: its share is the time of a writing over
that. The file is on the disk of ``--folder``. Fits that may take some time are timed as a whole,
preparation included; the bar is a step more than was granted, here 5% and 20 ms.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from job import quiet_fit
from timing import describe_machine, markdown, verdict

from sknorm import MLPRegressor
from sknorm.training.checkpoint import Checkpoint

EVERY = 10.0  # seconds of training between two writings
BAR = 0.01  # of training
LAYERS = {"(512, 512)": (512, 512), "(256, 256, 256), 4 networks": (256, 256, 256)}


def main() -> None:
    """Print the costs of writings, and the times of fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=None, help="where checkpoints are written")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    arguments = parser.parse_args()
    print(f"{describe_machine()}\n")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 50)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + rng.normal(size=len(X)).astype(np.float32)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = [written(name, X, y, Path(folder), arguments.repeats) for name in LAYERS]
    headers = ["model", "bytes", "a writing, ms", f"share of {EVERY:g} s", f"at most {BAR:.0%}"]
    print(markdown(headers, rows), "\n")
    rows = [timed(seconds, X, y) for seconds in arguments.seconds]
    print(markdown(["max_time, s", "fit, s", "epochs", "in time"], rows))


def written(name: str, X: np.ndarray, y: np.ndarray, folder: Path, repeats: int) -> list[object]:
    """How long a writing in the middle of training takes, the median of several."""
    times: list[float] = []
    write = Checkpoint.write

    def measured(self: Checkpoint, state: Any) -> None:
        started = time.perf_counter()
        write(self, state)
        times.append(time.perf_counter() - started)

    settings = {"hidden_layer_sizes": LAYERS[name], "n_members": 4 if "4" in name else 1}
    path = folder / "fit.ckpt"
    how = {"checkpoint": path, "checkpoint_every": 0.0, "early_stopping": True}
    Checkpoint.write = measured  # type: ignore[method-assign]
    try:
        model = MLPRegressor(**settings, **how, max_iter=repeats, n_iter_no_change=repeats)
        quiet_fit(model, X[:4_000], y[:4_000])
    finally:
        Checkpoint.write = write  # type: ignore[method-assign]
    size, median = path.stat().st_size, float(np.median(times[1:]))
    path.unlink()
    share = median / EVERY
    return [name, size, round(1e3 * median, 1), f"{share:.4f}", verdict(share, BAR, at_least=False)]


def timed(seconds: float, X: np.ndarray, y: np.ndarray) -> list[object]:
    """How long a fit of the defaults takes that may take so many seconds."""
    quiet_fit(MLPRegressor(max_iter=1), X, y)  # loads and compiles
    model = MLPRegressor(max_time=seconds)
    started = time.perf_counter()
    quiet_fit(model, X, y)
    taken = time.perf_counter() - started
    bar = seconds * 1.05 + 0.02
    return [seconds, round(taken, 3), model.n_iter_, verdict(taken, bar, at_least=False)]


if __name__ == "__main__":
    main()
