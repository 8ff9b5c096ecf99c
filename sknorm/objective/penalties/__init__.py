"""Penalties of the weight matrices, one file each."""

from typing import Literal, TypeAlias

from sknorm.objective.penalties.base import Penalty
from sknorm.objective.penalties.elastic_net import ElasticNet
from sknorm.objective.penalties.group_lasso import GroupLasso
from sknorm.objective.penalties.l0 import L0
from sknorm.objective.penalties.nuclear_norm import NuclearNorm

__all__ = ["L0", "ElasticNet", "GroupLasso", "NuclearNorm"]

PenaltyName: TypeAlias = Literal["elasticnet", "l0", "group_lasso", "nuclear"]
PENALTIES: dict[str, type[Penalty]] = {
    penalty.name: penalty for penalty in (ElasticNet, L0, GroupLasso, NuclearNorm)
}
