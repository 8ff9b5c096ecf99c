"""L-BFGS: SciPy's, on the full batch."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult, minimize


class Minimum(NamedTuple):
    """Where L-BFGS ended, why, and after how many iterations."""

    x: np.ndarray
    converged: bool
    message: str
    iterations: int


def lbfgs(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    max_iter: int,
    max_fun: int,
    tol: float,
    after_iteration: Callable[[np.ndarray, float], bool],
) -> Minimum:
    """Minimize a smooth function of a float64 vector.

    Parameters
    ----------
    objective : callable
        Value and gradient (a vector of its own) at a point.
    start : float64 array of shape (P,)
    max_iter, max_fun : int
        Largest numbers of iterations and of evaluations.
    tol : float
        Largest entry of the gradient at which a point counts as a minimum.
    after_iteration : callable
        Called with the point and its value after each iteration; True ends the search.

    Returns
    -------
    Minimum

    References
    ----------
    Byrd, Lu, Nocedal and Zhu (1995), A limited memory algorithm for bound constrained
    optimization, SIAM J. Sci. Comput. 16, 1190-1208.
    """

    def callback(intermediate_result: OptimizeResult) -> None:
        if after_iteration(intermediate_result.x, float(intermediate_result.fun)):
            raise StopIteration

    limits = {"maxiter": max_iter, "maxfun": max_fun, "gtol": tol}
    result = minimize(
        objective, start, method="L-BFGS-B", jac=True, callback=callback, options=limits
    )
    stopped = result.status == 99  # by the callback
    return Minimum(result.x, result.success or stopped, str(result.message), int(result.nit))
