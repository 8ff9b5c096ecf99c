"""What runs the steps of an epoch: one by one, or recorded as CUDA graphs."""

from sknorm.backends.executors.graph import Graph
from sknorm.backends.executors.loop import Loop

__all__ = ["Graph", "Loop"]
