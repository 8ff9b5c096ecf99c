"""Penalties of the weight matrices, one file each."""

from sknorm.objective.penalties.base import Penalty
from sknorm.objective.penalties.elastic_net import ElasticNet
from sknorm.objective.penalties.group_lasso import GroupLasso
from sknorm.objective.penalties.l0 import L0
from sknorm.objective.penalties.nuclear_norm import NuclearNorm

__all__ = ["L0", "ElasticNet", "GroupLasso", "NuclearNorm", "Penalty"]
