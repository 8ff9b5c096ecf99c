"""Pictures of trainings, searches, paths, weights, activations and members.

They follow scikit-learn's displays: a class method computes what is to be seen, ``plot`` draws it
into axes of matplotlib, and what was drawn stays in attributes.
"""

from sknorm.inspection.activations import ActivationDistributionDisplay
from sknorm.inspection.members import EnsembleMembersDisplay
from sknorm.inspection.path import RegularizationPathDisplay
from sknorm.inspection.search import SearchResultsDisplay
from sknorm.inspection.training import TrainingHistoryDisplay
from sknorm.inspection.weights import WeightDistributionDisplay

__all__ = [
    "ActivationDistributionDisplay",
    "EnsembleMembersDisplay",
    "RegularizationPathDisplay",
    "SearchResultsDisplay",
    "TrainingHistoryDisplay",
    "WeightDistributionDisplay",
]
