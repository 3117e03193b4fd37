"""Backward rules: what passes an operation on the way back, in the place of its gradient."""

from featuremaps.rules.operations import Operation
from featuremaps.rules.relu import RELU_RULES, Rectifiers, Redirected, ReluRule
from featuremaps.rules.rule import Rule

__all__ = ["RELU_RULES", "Operation", "Rectifiers", "Redirected", "ReluRule", "Rule"]
