"""Backward rules: what passes an operation on the way back, in the place of its gradient."""

from featuremaps.rules.dead_relu import Redirected
from featuremaps.rules.guided_backprop import RELU_RULES, Rectifiers, ReluRule
from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule

__all__ = ["RELU_RULES", "Operation", "Rectifiers", "Redirected", "ReluRule", "Rule"]
