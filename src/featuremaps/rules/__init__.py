"""Backward rules: what passes an operation on the way back, in the place of its gradient."""

from featuremaps.rules.operations import Operation
from featuremaps.rules.rectifiers import WAYS, Rectifiers, Way
from featuremaps.rules.redirect import Redirected
from featuremaps.rules.rule import Rule

__all__ = ["WAYS", "Operation", "Rectifiers", "Redirected", "Rule", "Way"]
