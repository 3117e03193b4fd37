"""Where a tensor comes from, read off the graph that autograd records: from the input, through which operations."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

_LAID_OUT = frozenset(
    f"{name}Backward0" for name in ("Clone", "Alias", "View", "Expand", "Unsqueeze", "ToCopy", "Permute", "Transpose")
)


class Followed:
    """A mark for custom autograd functions that are only ever applied to what depends on the input."""


class Linear(Followed):
    """A mark for custom autograd functions that stand for a convolution or a dense layer."""


def depends_on_input(value: object) -> bool:
    """Whether it is a tensor computed from the model's input, not from parameters and buffers alone."""
    if not isinstance(value, Tensor) or not value.requires_grad:
        return False
    if value.grad_fn is None:
        return not isinstance(value, nn.Parameter)
    return any(_is(node, Followed) or _is_input(node) for node in _upstream(value, Followed))


def sees_input(value: Tensor) -> bool:
    """Whether no linear operation lies between the model's input and this tensor."""
    return value.grad_fn is None or not any(_is(node, Linear) for node in _upstream(value, Linear))


def linear_node(value: Tensor) -> Any:
    """The node of the linear operation whose output this is, copied or not; None for the output of anything else."""
    node: Any = value.grad_fn
    while type(node).__name__ in ("CloneBackward0", "AliasBackward0"):
        node = node.next_functions[0][0]
    return node if _is(node, Linear) else None


def own_function(value: object) -> Any:
    """The node of the model's own autograd function that gave this tensor, whose way back is known to nobody else."""
    node = value.grad_fn if isinstance(value, Tensor) else None
    function = getattr(node, "_forward_cls", None)
    return None if function is None or function.__module__.startswith("featuremaps.") else node


def unviewed(value: Tensor) -> Tensor:
    """The tensor, copied where it is a view: what a custom autograd function gives, a model may then write over."""
    return value if value._base is None else value.clone()


def is_normaliser(value: Tensor) -> bool:
    """Whether it is one over something (`rsqrt`, `reciprocal`, a negative power), laid out otherwise or not."""
    node: Any = value.grad_fn
    while type(node).__name__ in _LAID_OUT:
        node = node.next_functions[0][0]
    name = type(node).__name__
    return name in ("RsqrtBackward0", "ReciprocalBackward0") or (name == "PowBackward0" and node._saved_exponent < 0)


def _upstream(value: Tensor, until: type) -> Iterator[Any]:
    """The nodes of the graph that a tensor comes from, nearest first, not going past those of one mark."""
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        if not _is(node, until):
            waiting.extend(before for before, _ in node.next_functions)


def _is(node: Any, mark: type) -> bool:
    return issubclass(getattr(node, "_forward_cls", object), mark)


def _is_input(node: Any) -> bool:
    leaf = getattr(node, "variable", None)
    return leaf is not None and not isinstance(leaf, nn.Parameter)
