"""How long does tuning take? One grid in 5 folds, the same net, batches and epochs for everyone.

36 candidates make 180 fits of two hidden layers of 64 (batch norm, ReLU, dropout), Adam, float32,
batches of 32, 30 epochs without early stopping, each scored on its held-out rows. Contenders search
with 2 jobs and do not refit. Where one lacks a parameter of the grid, it has 36 candidates in those
that it has; scikit-learn's MLP has neither norm nor dropout, and so does less. The processes of
scikit-learn's search run, and all kernels are compiled, before the clock starts.

times
    This library's stacked search, scikit-learn's search over the same estimator, over the same net
    in skorch, and over scikit-learn's MLP. skorch is timed on a few candidates, spread over its
    grid, and its time scaled to all of them.
memory
    What the stacked search adds to the memory of a fresh process at its peak, the table being there
    already.
racing
    The stacked search with candidates that leave early, beside the full one, table by table.
device
    The search on a GPU, nets of (256, 256), beside PyTorch training the nets one after another
    there: a few of them, scaled to all. ``--device cpu`` tries it out on the host.
"""

import argparse
import ctypes
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from job import Job, quiet_fit, sklearn_estimator, sknorm_estimator
from processes import in_fresh_process
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.preprocessing import StandardScaler
from tables import Table, add_arguments, chosen_tables, tables_folder
from timing import (
    Contender,
    describe_machine,
    interleave,
    markdown,
    ratio,
    restart_with_threads,
    verdict,
)

OURS, LOOPED, SKORCH = "sknorm, stacked", "sknorm, GridSearchCV", "skorch, GridSearchCV"
SKLEARN, ONE_BY_ONE = "scikit-learn, GridSearchCV", "PyTorch, one by one"
BARS = {
    1_000: {LOOPED: 2.5, SKORCH: 12.0, SKLEARN: 4.0},
    10_000: {LOOPED: 1.3, SKORCH: 5.0, SKLEARN: 2.0},
}
ALPHAS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
DROPOUTS = [0.0, 0.1, 0.3]
GRID = {"alpha": ALPHAS, "dropout": DROPOUTS, "l1_ratio": [0.0, 0.5]}
SKORCH_GRID = {"optimizer__weight_decay": ALPHAS, "module__dropout": DROPOUTS, "lr": [1e-3, 3e-3]}
N_CANDIDATES = 36
FOLDS = KFold(5, shuffle=True, random_state=0)  # even ones, so that no batch has a single row
N_FITS = N_CANDIDATES * FOLDS.n_splits
HEADERS = [
    "rows", "columns", "search", "fits timed", f"s for {N_FITS} fits", "/ sknorm, stacked",
]  # fmt: skip
WARM_UP_ROWS, MEMORY_EPOCHS = 400, 3


def main() -> None:
    """Print the tables of the sections asked for."""
    arguments = parse_arguments()
    if arguments.peak_at:
        print(peak_bytes(arguments))
        return
    if arguments.sections != ["device"]:
        restart_with_threads(arguments.jobs)
    print(f"{describe_machine()}\n- {settings(arguments)}\n", flush=True)
    for name in arguments.sections:
        print(f"{name}\n\n{SECTIONS[name](arguments)}\n", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=None)
    parser.add_argument("--device", choices=["cuda", "cpu"], default=None, help="of that section")
    parser.add_argument("--table", default="adult", help="of all sections but racing")
    parser.add_argument("--synthetic", action="store_true", help="a made-up table instead")
    parser.add_argument("--rows", type=_rows, nargs="+", default=list(BARS))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--contenders", nargs="+", choices=BUILDERS, default=list(BUILDERS))
    parser.add_argument(
        "--peer-candidates", type=int, default=4, help=f"of skorch; {N_CANDIDATES}: no scaling"
    )
    parser.add_argument("--max-stack-bytes", type=int, default=16_000_000, help="section memory")
    parser.add_argument("--device-rows", type=_rows, default=32_000)
    parser.add_argument("--device-batch-size", type=int, default=256)
    parser.add_argument("--peer-fits", type=int, default=3, help="PyTorch's, section device")
    parser.add_argument("--peak-at", type=int, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sections is None:
        arguments.sections = ["device"] if arguments.device else ["times", "memory"]
    return arguments


def settings(arguments: argparse.Namespace) -> str:
    """The search, for the heading."""
    made_up = arguments.synthetic or tables_folder(arguments) is None
    table = "a made-up one" if made_up else arguments.table
    return (
        f"{N_CANDIDATES} candidates in {FOLDS.n_splits} folds, {arguments.epochs} epochs, "
        f"{arguments.jobs} jobs; table, except for racing: {table}"
    )


@dataclass
class Search:
    """A search over candidates, and what its last run found.

    ``make`` gives the estimator for a number of epochs, ``grid`` is the part of the grid that is
    searched, and ``found`` the fitted search.
    """

    name: str
    make: Callable[[int], Any]
    grid: list[dict[str, list[Any]]]
    X: Any
    y: np.ndarray
    kind: type = GridSearchCV
    options: dict[str, Any] = field(default_factory=dict)
    found: Any = None

    def run(self, epochs: int, rows: int | None = None) -> None:
        """Search on all rows, or on the first ones."""
        search = self.kind(
            self.make(epochs),
            self.grid,
            **{"cv": FOLDS, "refit": False, "error_score": "raise", **self.options},
        )
        self.found = quiet_fit(search, self.X[:rows], self.y[:rows])

    def contender(self, epochs: int) -> Contender:
        """The search as a contender; its units are fits."""
        return Contender(self.name, partial(self.run, epochs), len(self.grid) * FOLDS.n_splits)


def spread(grid: dict[str, list[Any]], count: int) -> list[dict[str, list[Any]]]:
    """So many candidates, evenly over the whole grid."""
    every = list(ParameterGrid(grid))
    chosen = np.linspace(0, len(every) - 1, count).round().astype(int)
    return [{name: [value] for name, value in every[index].items()} for index in chosen]


def build_stacked(job: Job, arguments: argparse.Namespace, **options: Any) -> Search:
    """This library's search."""
    from sknorm.model_selection import StackedGridSearchCV

    options = {"n_jobs": arguments.jobs, **options}
    make, grid = partial(sknorm_estimator, job), spread(GRID, N_CANDIDATES)
    return Search(OURS, make, grid, job.X, job.y, StackedGridSearchCV, options)


def build_looped(job: Job, arguments: argparse.Namespace) -> Search:
    """scikit-learn's search over the same estimator."""
    make, grid = partial(sknorm_estimator, job), spread(GRID, N_CANDIDATES)
    return Search(LOOPED, make, grid, job.X, job.y, options={"n_jobs": arguments.jobs})


def build_skorch(job: Job, arguments: argparse.Namespace) -> Search:
    """scikit-learn's search over skorch, in a part of the grid."""
    from torch_peer import fastest_skorch_adam, skorch_classifier, skorch_targets

    adam = fastest_skorch_adam(_part(job, slice(WARM_UP_ROWS)))
    grid, y = spread(SKORCH_GRID, arguments.peer_candidates), skorch_targets(job)
    make = partial(skorch_classifier, job, adam=adam)
    return Search(SKORCH, make, grid, job.X, y, options={"n_jobs": arguments.jobs})


def build_sklearn(job: Job, arguments: argparse.Namespace) -> Search:
    """scikit-learn's search over its MLP, whose alpha is divided by the batch size."""
    grid = {
        "alpha": [alpha * job.batch_size for alpha in ALPHAS],
        "learning_rate_init": [3e-4, 1e-3, 3e-3],
        "beta_1": [0.8, 0.9],
    }
    make, options = partial(sklearn_estimator, job), {"n_jobs": arguments.jobs}
    return Search(SKLEARN, make, spread(grid, N_CANDIDATES), job.X, job.y, options=options)


BUILDERS: dict[str, Callable[[Job, argparse.Namespace], Search]] = {
    OURS: build_stacked,
    LOOPED: build_looped,
    SKORCH: build_skorch,
    SKLEARN: build_sklearn,
}


def times_section(arguments: argparse.Namespace) -> str:
    """Seconds of each search and the score of its winner, at each size."""
    rows: list[list[Any]] = []
    notes: list[str] = []
    for size in arguments.rows:
        job = load(arguments, size)
        searches = build(job, arguments, notes)
        for search in searches:
            search.run(1, WARM_UP_ROWS)
        contenders = [search.contender(arguments.epochs) for search in searches]
        times = interleave(contenders, arguments.repeats, warm_ups=0)
        for search, contender in zip(searches, contenders, strict=True):
            bar, score = BARS.get(size, {}).get(search.name), f"{search.found.best_score_:.4f}"
            rows.append([*job.X.shape, *cells(contender, times, bar), score])
    notes.append("Where fewer fits were timed, the winner is that of those.")
    return "\n\n".join([markdown([*HEADERS, "winner's accuracy"], rows), *notes])


def build(job: Job, arguments: argparse.Namespace, notes: list[str]) -> list[Search]:
    """The searches that could be built; the others leave a note."""
    searches = []
    for name in arguments.contenders:
        try:
            searches.append(BUILDERS[name](job, arguments))
        except Exception as error:
            note = f"{name} not measured: {type(error).__name__}: {str(error)[:300]}"
            notes.extend([note] if note not in notes else [])
    return searches


def cells(contender: Contender, times: dict[str, float], bar: float | None) -> list[Any]:
    """A contender's name, fits, seconds for all fits, and multiple of the stacked search's."""
    name, fits = contender.name, contender.units
    timed = f"{fits} of {N_FITS}" + (", scaled" if fits < N_FITS else "")
    return [name, timed, times[name] * N_FITS, verdict(ratio(times, name, OURS), bar)]


def memory_section(arguments: argparse.Namespace) -> str:
    """Peak memory beside the table, each size in a fresh process."""
    rows = []
    for size in arguments.rows:
        found = in_fresh_process(__file__, *sys.argv[1:], "--peak-at", size)
        table, peak = (number / 1e6 for number in found)
        stacks = arguments.max_stack_bytes / 1e6
        bound = stacks + 2 * table
        rows.append([size, table, stacks, verdict(peak, round(bound, 1), at_least=False)])
    headers = ["rows", "X, MB", "max_stack_bytes, MB", "added at the peak, MB (<= stacks + 2 X)"]
    return markdown(headers, rows)


def peak_bytes(arguments: argparse.Namespace) -> str:
    """Bytes of the table, and those that a search adds to the process at its peak."""
    job = load(arguments, arguments.peak_at)
    search = build_stacked(job, arguments, max_stack_bytes=arguments.max_stack_bytes)
    search.run(1, WARM_UP_ROWS)
    before = _resident_now()
    search.run(MEMORY_EPOCHS)
    return f"{job.X.nbytes} {_status_bytes('VmHWM') - before}"


def _resident_now() -> int:
    """Resident bytes, after freed memory went back to the system; the peak is counted from here."""
    gc.collect()
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("The section memory needs Linux: leave it out with --sections times")
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU library
    if trim is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def racing_section(arguments: argparse.Namespace) -> str:
    """What racing saves, and what it loses of the winner's score in the full search."""
    rows: list[list[Any]] = []
    for table in chosen_tables(arguments):
        job = _job(table, (64, 64), 32)
        searches = [build_stacked(job, arguments, racing=racing, cv=5) for racing in (False, True)]
        for search, name in zip(searches, ("full", "racing"), strict=True):
            search.name = name
            search.run(1, WARM_UP_ROWS)
        contenders = [search.contender(arguments.epochs) for search in searches]
        times = interleave(contenders, arguments.repeats, warm_ups=0)
        full, race = (search.found for search in searches)
        scores, same = full.cv_results_["mean_test_score"], full.best_index_ == race.best_index_
        lost = float(scores[full.best_index_] - scores[race.best_index_])
        seconds = [times[name] * N_FITS for name in ("full", "racing")]
        row = [table.name, table.task, *job.X.shape, *seconds, f"{seconds[1] / seconds[0]:.2f}"]
        rows.append([*row, "yes" if same else "no", f"{lost:.4f}"])
        print(f"{table.name}: done", flush=True)
    share, lost = (np.mean([float(row[column]) for row in rows]) for column in (6, 8))
    won = sum(row[7] == "yes" for row in rows)
    rows.append(["all", *["-"] * 5, f"{share:.2f}", f"{won} of {len(rows)}", f"{lost:.4f}"])
    headers = ["table", "task", "rows", "columns", "full s", "racing s", "racing / full",
               "same winner", "score lost"]  # fmt: skip
    return markdown(headers, rows)


def device_section(arguments: argparse.Namespace) -> str:
    """Seconds of the search on a device, beside nets that are trained there one by one."""
    from gpu_device import DEVICES
    from torch_device_peer import fastest_adam

    device = DEVICES[arguments.device or "cuda"]("highest")
    job = load(arguments, arguments.device_rows, (256, 256), arguments.device_batch_size)
    folds = list(islice(cycle(FOLDS.split(job.X)), arguments.peer_fits))
    adam = fastest_adam(device, _part(job, folds[0][0]))
    search, scores = build_stacked(job, arguments, n_jobs=None), list[float]()

    def ours(epochs: int) -> None:
        search.X = device.xp.asarray(job.X)
        search.run(epochs)
        device.wait()

    def theirs(epochs: int) -> None:
        scores[:] = [one_by_one(job, *fold, adam, device.name, epochs) for fold in folds]

    for warm_up in (ours, theirs):
        warm_up(1)
    contenders = [
        Contender(OURS, partial(ours, arguments.epochs), N_FITS),
        Contender(ONE_BY_ONE, partial(theirs, arguments.epochs), arguments.peer_fits),
    ]
    times = interleave(contenders, arguments.repeats, warm_ups=0)
    accuracies = [f"{search.found.best_score_:.4f} (winner)", f"{np.mean(scores):.4f} (mean)"]
    rows = [
        [*job.X.shape, *cells(contender, times, None), accuracy]
        for contender, accuracy in zip(contenders, accuracies, strict=True)
    ]
    return f"{device.describe()}\n\n{markdown([*HEADERS, 'accuracy'], rows)}\n\n{device.caveat}"


def one_by_one(
    job: Job, train: np.ndarray, test: np.ndarray, adam: dict[str, bool], device: str, epochs: int
) -> float:
    """Accuracy of a net that PyTorch trained on the rows of a fold."""
    from torch_peer import TorchTrainer, accuracy

    trainer = TorchTrainer(_part(job, train), adam, device=device)
    trainer.train(epochs)
    return accuracy(trainer, job.X[test], job.y[test])


SECTIONS: dict[str, Callable[[argparse.Namespace], str]] = {
    "times": times_section,
    "memory": memory_section,
    "racing": racing_section,
    "device": device_section,
}


def load(
    arguments: argparse.Namespace, rows: int, hidden: tuple[int, ...] = (64, 64), batch: int = 32
) -> Job:
    """So many rows of the table, or of a made-up one where there are none."""
    if arguments.synthetic or tables_folder(arguments) is None:
        X, y = make_classification(rows, 50, n_informative=10, flip_y=0.1, random_state=0)
        X = StandardScaler().fit_transform(X).astype(np.float32)  # as real tables are
        return Job(X, y, 2, hidden, batch)
    only = argparse.Namespace(tables=arguments.tables, only=[arguments.table], cap=rows)
    (table,) = chosen_tables(only)
    if not table.n_classes or len(table.X_train) < rows:
        raise SystemExit(f"{arguments.table} is no classification table of {rows} rows")
    return _job(table, hidden, batch)


def _job(table: Table, hidden: tuple[int, ...], batch: int) -> Job:
    X = np.ascontiguousarray(table.X_train, dtype=np.float32)
    return Job(X, table.y_train, table.n_classes, hidden, batch)


def _part(job: Job, rows: Any) -> Job:
    return Job(job.X[rows], job.y[rows], job.n_classes, job.hidden, job.batch_size)


def _rows(text: str) -> int:
    """A number of rows of which four fifths are whole batches of 32."""
    if int(text) < 40 or int(text) % 40:
        raise argparse.ArgumentTypeError("must be a multiple of 40")
    return int(text)


if __name__ == "__main__":
    main()
