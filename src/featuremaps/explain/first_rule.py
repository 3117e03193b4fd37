"""The first pass under a rule as the record's own, for methods that need nothing else of the model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from featuremaps.methods.needs import propagate, sent
from featuremaps.methods.passes import Pass
from featuremaps.options import PassOptions
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.torchvision_detectors import gives_less_sure
from featuremaps.rules import Rule
from featuremaps.runtime.backward import run_by
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import recorded, take
from featuremaps.session import Session
from featuremaps.targets.bound import Bound, Several, Target


@dataclass(eq=False)
class FirstRule:
    """What `propagate` is to a formula before there is a record: the first rule's pass makes it.

    `record` is then that of the run under the rule, where the rule runs the model on the pictures as they are, and
    `given` its pass for the first target, None where there is no target.
    """

    session: Session
    inputs: Tensor
    targets: Sequence[Target | Several | Bound]
    classes: ClassOutputs
    layer: str
    options: PassOptions
    record: Record | None = None
    given: Pass | None = None

    def __call__(self, rule: Rule) -> Tensor:
        """What the rule sends from the first target's score to the pictures."""
        if self.given is not None:
            return propagate(self.given)(rule)
        run = run_by(self.session, self.inputs, rule)
        while gives_less_sure(self.session, run.outputs):
            run = run_by(self.session, self.inputs, rule)
        if type(rule).prepared is Rule.prepared:
            self.record = recorded(self.session, run.inputs, run.outputs, self.targets, self.classes)
        else:
            self.record = take(self.session, self.inputs, (), self.targets, classes=self.classes, gradients=False)
        if not self.record.targets:
            return torch.zeros_like(run.inputs)
        self.given = Pass(self.session, self.record.for_target(0), self.layer, options=self.options)
        return sent(self.given, run)
