"""What the engine gives a formula that names `propagate`, `score` and `remark`, for one class of every picture."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.rules import Rule
from featuremaps.runtime.attention import Attended
from featuremaps.runtime.recording import take
from featuremaps.session import preserved
from featuremaps.targets.targets import as_target


def propagator(model: nn.Module, inputs: Tensor, target: int | list[int]) -> Callable[[Rule], Tensor]:
    """A function from a rule to what it sends from the class's score back to the inputs."""

    def propagate(rule: Rule) -> Tensor:
        new = rule.prepared(inputs).detach().clone().requires_grad_()
        with torch.enable_grad(), rule:
            outputs = model(new)
        scores = scores_for(outputs, len(new) // len(inputs), target)
        start = scores.detach() if rule.start == "score" else torch.ones_like(scores)
        arrived, *rest = torch.autograd.grad(scores, [new, *rule.watched], start, allow_unused=True)
        rule.arrived = tuple(rest)
        return rule.collected(torch.zeros_like(new) if arrived is None else arrived, inputs)

    return propagate


def scores_for(outputs: Tensor, repeats: int, target: int | list[int]) -> Tensor:
    """The score of one class, or of one class per picture, where each picture has several rows."""
    classes = torch.as_tensor(target).expand(len(outputs) // repeats).repeat_interleave(repeats)
    return outputs.gather(1, classes[:, None])[:, 0]


@dataclass
class Given:
    """The needs of one batch, and what a formula remarked and which rules it used."""

    model: nn.Module
    inputs: Tensor
    target: int | list[int] = 0
    remarks: dict[str, Tensor] = field(default_factory=dict)
    rules: list[Any] = field(default_factory=list)

    def propagate(self, rule: Rule) -> Tensor:
        self.rules.append(rule)
        return propagator(self.model, self.inputs, self.target)(rule)

    def score(self, new: Tensor) -> Tensor:
        with torch.no_grad():
            return scores_for(self.model(new), len(new) // len(self.inputs), self.target)

    @property
    def attentions(self) -> tuple[Attended, ...]:
        with preserved(self.model) as session:
            record = take(session, self.inputs, (), [as_target(self.target)], gradients=False, attention=True)
        return record.attentions

    def remark(self, name: str, values: Tensor) -> None:
        assert values.shape == (len(self.inputs),)
        self.remarks[name] = values.detach()

    def run(self, formula: Callable[..., Tensor], *needs: str, **options: object) -> Tensor:
        return formula(*[getattr(self, need) for need in needs], **options)
