"""Penalties of the weight matrices, one file each."""

from sknorm.objective.penalties.elastic_net import ElasticNet

__all__ = ["ElasticNet"]
