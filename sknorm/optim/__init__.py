"""Optimizers: ``init`` and ``update`` over a small typed state, and learning-rate schedules."""

from sknorm.optim.adam import Adam
from sknorm.optim.sgd import SGD

__all__ = ["SGD", "Adam"]
