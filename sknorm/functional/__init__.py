"""Normalization of arrays of any array-API library, as functions with their gradients.

Each norm is a pair: the forward function returns ``(y, cache)``, the backward function takes the
gradient with respect to ``y`` and that cache. Nothing is kept between calls, and no argument is
written to.
"""

from sknorm.functional.batch import batch_norm, batch_norm_backward
from sknorm.functional.group import group_norm, group_norm_backward
from sknorm.functional.instance import instance_norm, instance_norm_backward
from sknorm.functional.layer import layer_norm, layer_norm_backward
from sknorm.functional.merge import merge_statistics
from sknorm.functional.norm import NormCache

__all__ = [
    "NormCache",
    "batch_norm",
    "batch_norm_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "merge_statistics",
]
