"""The kernels of the default estimators, compiled before somebody waits for them."""

from time import perf_counter

import numpy as np
from numpy.random import RandomState

from sknorm.estimators import MLPClassifier, MLPRegressor

# Rows of tables: one that is computed in float64, and one of which rows are held out.
_SMALL, _LARGE = 120, 1_500


def warmup(*, verbose: bool = False) -> float:
    """Compile the kernels of default estimators, or load them, ahead of time.

    The first fit on a machine compiles what it needs, and the first fit of each process loads that
    from disk. Call this while a container image is built, or before a benchmark starts its clock.
    It fits small tables with the default parameters: numbers and categories, in float32 and
    float64, with two classes, three, and numeric targets. Other parameters, such as another
    ``activation`` or ``normalization``, may need kernels that are compiled when they are first
    used.

    Parameters
    ----------
    verbose : bool, default=False
        Whether to print how long it took.

    Returns
    -------
    float
        Seconds that it took: most of a minute where nothing was compiled yet, and a few seconds
        where all was.

    Notes
    -----
    Compiled kernels are kept in a folder of the package or of the user. The environment variable
    ``NUMBA_CACHE_DIR`` names another one, which has to be the same when the image runs. Kernels
    are compiled for the processor: on another kind they are compiled anew.

    Examples
    --------
    >>> import sknorm
    >>> seconds = sknorm.warmup()  # doctest: +SKIP
    """
    started = perf_counter()
    for rows in (_SMALL, _LARGE):
        numbers, mixed = _tables(rows)
        number = numbers.astype(np.float64) @ np.arange(1.0, 5.0)
        for X in (numbers, numbers.astype(np.float32), mixed):
            _predict(MLPRegressor(max_iter=1, random_state=0).fit(X, number), X)
            for classes in (2, 3):
                label = np.arange(rows) % classes
                _predict(MLPClassifier(max_iter=1, random_state=0).fit(X, label), X)
    seconds = perf_counter() - started
    if verbose:
        print(f"sknorm.warmup: the kernels of the default estimators took {seconds:.1f} s.")
    return seconds


def _predict(model: MLPClassifier | MLPRegressor, X: np.ndarray) -> None:
    """Predict for a table, and for few rows as often as it takes to put their calls together."""
    for rows in (len(X), 1, 1, 1, 5, 5, 5):
        model.predict(X[:rows])


def _tables(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of numbers, and one of numbers and categories of few and many levels, with gaps."""
    random_state = RandomState(0)
    numbers = random_state.normal(size=(rows, 4))
    mixed = numbers.astype(object)
    mixed[::7, 0] = None
    mixed[:, 2] = np.where(numbers[:, 2] > 0, "more", "less")
    mixed[:, 3] = [f"level {each}" for each in random_state.randint(12, size=rows)]
    return numbers, mixed
