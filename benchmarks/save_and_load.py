"""How long do saving and loading a model take, and how large are the files?

``sknorm.save`` and ``sknorm.load`` beside pickle and skops, on networks of three layers of 256: one
network of 50 numbers, and four of the accurate preset of a raw table with a column of text. Times
are medians of interleaved runs on a file that the system has in memory.
"""

import argparse
import pickle
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from job import quiet_fit
from timing import Contender, describe_machine, interleave, markdown, verdict

import sknorm

try:
    import skops.io as skops
except ImportError:
    skops = None

BAR = 50.0  # ms of a load


def main() -> None:
    """Print times and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21)
    repeats = parser.parse_args().repeats
    print(f"{describe_machine()}\n")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models().items():
            weights = model.network_.parameters.flat.nbytes
            rows += [[name, *row] for row in measured(model, Path(folder), weights, repeats)]
    headers = ["model", "by", "save, ms", "load, ms", "bytes", "bytes / weights"]
    print(markdown(headers, rows))


def models() -> dict[str, Any]:
    """Fitted models by what they are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 50)).astype(np.float32)
    frame = pd.DataFrame(X[:, :20]).rename(columns=str)
    frame["text"] = np.resize([f"level {k}" for k in range(200)], len(X))
    settings = {"hidden_layer_sizes": (256, 256, 256), "max_iter": 3, "random_state": 0}
    one = sknorm.MLPRegressor(**settings, preset="sklearn")
    several = sknorm.MLPRegressor(**settings)
    quiet_fit(one, X, X[:, 0])
    quiet_fit(several, frame, X[:, 0])
    return {"one network": one, "accurate preset": several}


def measured(model: Any, folder: Path, weights: int, repeats: int) -> list[list[object]]:
    """A row for each way to save."""
    files = {by: folder / by for by in ("sknorm", "pickle", "skops")}
    ways = {
        "sknorm": (sknorm.save, sknorm.load),
        "pickle": (pickle_to, pickle_from),
        "skops": (lambda model, file: skops.dump(model, file), skops_from),
    }
    if skops is None:
        del ways["skops"]
    contenders = []
    for by, (write, read) in ways.items():
        contenders.append(Contender(f"save {by}", partial(write, model, files[by])))
        contenders.append(Contender(f"load {by}", partial(read, files[by])))
    times = interleave(contenders, repeats)
    rows: list[list[object]] = []
    for by in ways:
        size = files[by].stat().st_size
        save, load = (1e3 * times[f"{way} {by}"] for way in ("save", "load"))
        shown = verdict(load, BAR if by == "sknorm" else None, at_least=False)
        rows.append([by, save, shown, size, size / weights])
    return rows


def pickle_to(model: Any, file: Path) -> None:
    """By the standard library."""
    file.write_bytes(pickle.dumps(model))


def pickle_from(file: Path) -> Any:
    """By the standard library."""
    return pickle.loads(file.read_bytes())


def skops_from(file: Path) -> Any:
    """With the types in the file trusted."""
    return skops.load(file, trusted=skops.get_untrusted_types(file=file))


if __name__ == "__main__":
    main()
