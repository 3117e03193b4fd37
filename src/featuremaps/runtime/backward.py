"""Sending something back to the inputs: what a rule makes of a score, or a unit from its strongest place."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import ModelError
from featuremaps.layers.addresses import parse
from featuremaps.rules import Rectifiers, ReluRule, Rule
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import run_capturing, to_model
from featuremaps.runtime.gradient import sent_back
from featuremaps.runtime.recording import check_gradients, checked_scores
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session, listening
from featuremaps.targets.bound import Bound


@dataclass(frozen=True, eq=False)
class RuleRun:
    """A forward pass under a rule: what it ran on, which may be what the rule made of the inputs, and the outputs."""

    session: Session
    rule: Rule
    inputs: Tensor
    leaf: Tensor
    outputs: Any

    @torch.enable_grad()
    def sent_back(self, target: Bound) -> Tensor:
        """What the rule sends from the target's score back to the inputs, shaped like them, in one backward pass."""
        rule, leaf = self.rule, self.leaf
        with listening(rule), run_on(self.session.model, leaf):
            scores = checked_scores(target, self.outputs, len(leaf))
        check_gradients([target], [scores], [])
        start = scores.detach() if rule.start == "score" else torch.ones_like(scores)
        places = [leaf, *rule.watched]
        followed = [place for place in places if place.requires_grad]  # not what the model computed under no_grad
        arriving = iter(sent_back(scores, followed, start))
        arrived = [next(arriving) if place.requires_grad else None for place in places]
        rule.arrived, rule.sent = arrived[1:], start
        return rule.collected(torch.zeros_like(leaf) if arrived[0] is None else arrived[0], self.inputs).float()


@torch.enable_grad()
def run_by(session: Session, inputs: Tensor, rule: Rule) -> RuleRun:
    """A forward pass of the model under the rule."""
    inputs = to_model(session.model, inputs.detach())
    leaf = to_model(session.model, rule.prepared(inputs)).detach().clone().requires_grad_()
    with session.one_pass(), listening(rule), run_on(session.model, leaf):
        return RuleRun(session, rule, inputs, leaf, run_model(session.model, leaf))


@torch.enable_grad()
def send_back_unit(
    session: Session, inputs: Float[Tensor, "batch colour *space"], layer: str, channel: int, way: ReluRule
) -> tuple[Float[Tensor, " batch"], Int[Tensor, "batch 2"], Float[Tensor, "batch colour *space"]]:
    """A channel's highest value in each picture, its place (row, column), and what `way` sends back from there.

    What is sent is the value itself (Zeiler & Fergus 2014, section 2.1). The model stops at the layer.
    """
    leaf, rule = to_model(session.model, inputs).detach().clone().requires_grad_(), Rectifiers()
    capture, _ = run_capturing(session, leaf, [parse(layer)], gradients=True, stop_early=True, rules=[rule])
    maps = capture.maps(layer)[:, channel]
    values, places = maps.flatten(1).max(1)
    rule.way = way
    (signal,) = sent_back(values, [leaf], values.detach())
    if signal is None:
        raise ModelError(
            f"nothing leads from {layer}:{channel} back to the picture: the model, or a hook on it, cuts the gradient "
            "off (detach, no_grad, a checkpoint with use_reentrant=True)."
        )
    rows_and_columns = torch.stack([places // maps.shape[2], places % maps.shape[2]], 1)
    return values.detach().float(), rows_and_columns, signal.float()
