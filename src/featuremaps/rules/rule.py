"""A backward rule: how something other than the gradient passes single operations on its way back to the input.

Rules act on operations, not on module types, so `nn.ReLU`, `F.relu` and `Tensor.relu_` are alike to them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from featuremaps.rules.graph_origin import depends_on_input, own_function
from featuremaps.rules.operations import ACTIVATIONS, Operation, operation_of


class Rule(TorchFunctionMode):
    """While it is entered, the operations it acts on record another way back; all others keep their gradient.

    A subclass gives in `act` an operation's output with its own way back, or None where it leaves it alone.
    `replaced` and `kept` count, by kind, the operations it acted on and the activation functions it left alone, on the
    input's way: what is made from weights alone (a position bias, say) changes nothing that comes back.
    Where no graph is recorded nothing comes back, so there only rules of values act, as `of_values` says; an autograd
    function of the model's own keeps its way back, and is counted where what it gave is used.
    `start` says what is sent into the score: 1, or the score itself; `sent` is what was, one a row, and `remarks` are
    what the rule has to tell of each picture, after the backward pass. What arrives at the tensors that a rule put into
    `watched` during the forward pass stands in `arrived` after the backward pass, None where nothing did.
    """

    title: ClassVar[str]
    start: ClassVar[Literal["one", "score"]] = "one"
    of_values: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._own: set[Any] = set()
        self.replaced: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.watched: list[Tensor] = []
        self.arrived: list[Tensor | None] = []
        self.sent: Tensor | None = None
        self.remarks: dict[str, Tensor] = {}

    def act(self, operation: Operation) -> Any:
        """The operation's output, with another way back; it must not save the operation's input or output itself."""
        raise NotImplementedError

    def passed_over(self, function: Callable[..., Any], operation: Operation | None, output: Any) -> None:
        """Told of a function that it did not act on, of which operation that is, and of what it gave."""

    def prepared(self, inputs: Tensor) -> Tensor:
        """What the model is run on (batch·k, …), picture by picture, for these inputs."""
        return inputs

    def collected(self, arrived: Tensor, inputs: Tensor) -> Tensor:
        """What is made of that which arrived at the prepared inputs: shaped like `inputs`."""
        return arrived

    def warning(self) -> str | None:
        """What was replaced and what was not, with counts, where something was left alone."""
        if self.replaced and not self.kept:
            return None
        left = f"{counted(self.kept)} kept their own gradient" if self.kept else "no activation function was seen"
        if not self.replaced:
            return f"{self.title} found nothing to act on ({left}): this is the plain gradient."
        return f"{self.title} acted on {counted(self.replaced)}; {left}."

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not self.of_values and not torch.is_grad_enabled():
            return func(*args, **(kwargs or {}))
        for node in filter(None, map(own_function, args)):
            self.kept[type(node).__name__.removesuffix("Backward")] += node not in self._own
            self._own.add(node)
        operation = operation_of(func, args, kwargs or {})
        if operation is None:
            output = func(*args, **(kwargs or {}))
            self.passed_over(func, None, output)
            return output
        output = self.act(operation)
        if output is None:
            if operation.kind in ACTIVATIONS and depends_on_input(operation.input):
                self.kept[operation.kind] += 1
            output = operation.run()
            self.passed_over(func, operation, output)
            return output
        self.replaced[operation.kind] += 1
        return operation.instead(output)


def counted(kinds: Counter[str]) -> str:
    """`"3 gelu, 1 silu"`, the most frequent first."""
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
