"""Penalties of weight matrices: their values, proximal operators and optimality gaps.

These classes state what the ``penalty`` of an estimator means, and measure how close given
weights are to a stationary point. Their methods take arrays of any library that follows the
array-API standard.
"""

from sknorm.objective.penalties import *  # noqa: F403
from sknorm.objective.penalties import __all__ as __all__
