"""Which operation a torch function is, however it is written: as a module, a function or a method, in place or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Function = Callable[..., Any]

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "relu": ("relu", "relu_"),
    "relu6": ("relu6",),
    "hardtanh": ("hardtanh", "hardtanh_"),
    "clamp": ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"),
    "threshold": ("threshold", "threshold_", "_threshold"),
    "leaky_relu": ("leaky_relu", "leaky_relu_"),
    "prelu": ("prelu",),
    "rrelu": ("rrelu", "rrelu_"),
    "elu": ("elu", "elu_"),
    "selu": ("selu", "selu_"),
    "celu": ("celu", "celu_"),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "mish": ("mish",),
    "softplus": ("softplus",),
    "hardswish": ("hardswish",),
    "hardsigmoid": ("hardsigmoid",),
    "sigmoid": ("sigmoid", "sigmoid_"),
    "tanh": ("tanh", "tanh_"),
    "pow": ("pow", "pow_", "__pow__", "__rpow__", "square", "square_"),
    "sqrt": ("sqrt", "sqrt_", "rsqrt"),
    "exp": ("exp", "exp_", "expm1"),
    "log": ("log", "log1p", "logsigmoid"),
    "abs": ("abs", "abs_", "__abs__"),
    "reciprocal": ("reciprocal", "__rtruediv__", "__rdiv__"),
    "other_pointwise": ("cos", "sin", "erf", "softsign", "tanhshrink"),
    "softmax": ("softmax",),
    "log_softmax": ("log_softmax",),
    "conv": tuple(f"conv{axes}d" for axes in (1, 2, 3)),
    "conv_transpose": tuple(f"conv_transpose{axes}d" for axes in (1, 2, 3)),
    "linear": ("linear",),
    "batch_norm": ("batch_norm",),
    "layer_norm": ("layer_norm",),
    "rms_norm": ("rms_norm",),
    "group_norm": ("group_norm",),
    "instance_norm": ("instance_norm",),
    "normalize": ("normalize",),
    "add": ("add", "add_", "__add__", "__iadd__", "__radd__"),
    "sub": ("sub", "sub_", "subtract", "subtract_", "__sub__", "__isub__", "__rsub__", "rsub"),
    "neg": ("neg", "neg_", "negative", "negative_", "__neg__"),
    "mul": ("mul", "mul_", "multiply", "multiply_", "__mul__", "__imul__", "__rmul__"),
    "div": ("div", "div_", "divide", "divide_", "true_divide", "true_divide_", "__truediv__", "__itruediv__"),
    "cat": ("cat", "concat", "concatenate"),
    "mean": ("mean",),
    "sum": ("sum",),
    "max": ("amax", "amin", "max", "min", "maximum", "minimum"),
    "max_pool": tuple(f"max_pool{axes}d" for axes in (1, 2, 3)),
    "adaptive_max_pool": tuple(f"adaptive_max_pool{axes}d" for axes in (1, 2, 3)),
    "avg_pool": tuple(f"avg_pool{axes}d" for axes in (1, 2, 3)),
    "adaptive_avg_pool": tuple(f"adaptive_avg_pool{axes}d" for axes in (1, 2, 3)),
    "fold": ("fold",),
    "interpolate": ("interpolate", "upsample"),
    "grid_sample": ("grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"),
    "attention": ("scaled_dot_product_attention",),
    "multi_head_attention": ("multi_head_attention_forward",),
    "matmul": ("matmul", "__matmul__", "bmm", "mm"),
    "einsum": ("einsum",),
    "other_product": ("mv", "inner", "tensordot", "bilinear"),
    "added_product": ("addmm", "baddbmm", "addbmm", "addmv"),
    "distance": ("cdist",),
}

ACTIVATIONS = frozenset(
    {"relu", "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish"}
    | {"softplus", "hardswish", "hardsigmoid", "sigmoid", "tanh"}
)
"""Nonlinear functions of single values that networks have between their layers."""

POINTWISE = frozenset({"pow", "sqrt", "exp", "log", "abs", "reciprocal", "other_pointwise"})
"""Other functions of single values."""

MOVES = frozenset(
    {"view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute"}
    | {"transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "adjoint", "expand", "expand_as", "repeat"}
    | {"broadcast_to", "broadcast_tensors", "tile", "repeat_interleave", "contiguous", "clone", "to", "type", "type_as"}
    | {"float", "double", "half", "bfloat16", "cpu", "cuda", "get", "getitem", "setitem", "iter", "copy", "deepcopy"}
    | {"index_select", "gather", "take_along_dim", "narrow", "select", "split", "split_with_sizes", "tensor_split"}
    | {"chunk", "unbind", "unsafe_chunk", "unsafe_split", "stack", "hstack", "vstack", "dstack", "column_stack", "roll"}
    | {"flip", "fliplr", "flipud", "rot90", "pad", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unfold"}
    | {"native_channel_shuffle", "diagonal", "tril", "triu", "masked_fill", "masked_select", "where", "as_strided"}
    | {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"}
    | {"scatter", "index_copy", "index_put", "masked_scatter", "select_scatter", "slice_scatter", "sort", "topk"}
    | {"requires_grad", "retain_grad", "register_hook", "detach", "numpy", "atleast_1d", "atleast_2d", "atleast_3d"}
)
"""Functions, without underscores, that carry values to other places or leave some out (dropout in evaluation mode)."""

_INPLACE_POSITION = {
    "relu": 1, "relu6": 1, "hardtanh": 3, "threshold": 3, "leaky_relu": 2, "rrelu": 4, "elu": 2, "selu": 1,
    "celu": 2, "silu": 1, "mish": 1, "hardswish": 1, "hardsigmoid": 1,
}  # fmt: skip

_TOP = {"relu": float("inf"), "relu6": 6.0}

_QUESTIONS = frozenset(
    {"size", "dim", "ndimension", "stride", "numel", "nelement", "element_size", "get_device", "__len__"}
    | {"is_contiguous", "is_floating_point", "is_complex"}
)
_TENSORS_OF_A_TENSOR = frozenset({"data", "T", "H", "mT", "mH", "real", "imag", "grad"})


@dataclass(frozen=True, eq=False)
class Operation:
    """One call of a torch function that has a name here. `top` is where a rectifier stops growing."""

    kind: str
    function: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    in_place: bool
    top: float = float("inf")

    @property
    def input(self) -> Any:
        """What it works on."""
        if self.args:
            return self.args[0]
        return self.kwargs.get("input", self.kwargs.get("query"))

    def argument(self, name: str, position: int, default: Any = None) -> Any:
        """One of its arguments, however it was passed."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    @property
    def reversed(self) -> bool:
        """Whether its input is the second operand: what is subtracted, or what is divided by."""
        return self.function.__name__.strip("_").startswith("r") and self.kind in ("sub", "div")

    def run(self) -> Any:
        """What it gives."""
        return self.function(*self.args, **self.kwargs)

    def on(self, values: Tensor) -> "Operation":
        """The same call on another input."""
        if self.args:
            return replace(self, args=(values, *self.args[1:]))
        return replace(self, kwargs={**self.kwargs, "input": values})

    def applied(self) -> Function:
        """The operation as a function of its input alone, which may be overwritten; the input itself is not held."""
        function, rest = self.function, self.args[1:]
        named = {name: value for name, value in self.kwargs.items() if name != "input"}
        return lambda new: function(new, *rest, **named)

    def apart(self) -> Any:
        """What it gives, with its input left as it is."""
        return self.applied()(self.input.detach().clone()) if self.in_place else self.run()

    def instead(self, output: Any) -> Any:
        """`output` in the place of what the operation gives: written into its input where it works in place."""
        return self.input.copy_(output) if self.in_place and output is not self.input else output


def operation_of(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation | None:
    """Which operation a call is, or None for one that has no name here.

    A clamp, threshold or hardtanh that is a ReLU, with or without a top, is called "relu" or "relu6"; of others a
    threshold has no name.
    """
    kind = kind_of(function)
    if kind is None:
        return None
    name = getattr(function, "__name__", "")
    written = kwargs.get("inplace", args[_INPLACE_POSITION[kind]] if _takes_inplace(kind, args) else False)
    in_place = bool(written) or name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
    operation = Operation(kind, function, args, kwargs, in_place, _TOP.get(kind, float("inf")))
    return _rectifier(operation) if kind in ("clamp", "threshold", "hardtanh") else operation


def kind_of(function: Function) -> str | None:
    """The name of what a function does, before its arguments are looked at."""
    return _KINDS.get(function)


def moves(function: Function) -> bool:
    """Whether a function only carries values to other places, so that its gradient does so with relevance."""
    return getattr(function, "__name__", "").strip("_") in MOVES


def asks(function: Callable[..., Any]) -> bool:
    """Whether a function only asks how a tensor is made, and does not use its values."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return getattr(getattr(function, "__self__", None), "__name__", "") not in _TENSORS_OF_A_TENSOR
    return name in _QUESTIONS


def _takes_inplace(kind: str, args: tuple[Any, ...]) -> bool:
    return kind in _INPLACE_POSITION and len(args) > _INPLACE_POSITION[kind]


def _rectifier(operation: Operation) -> Operation | None:
    """The same as a ReLU, where it is one; None for a threshold that is not, another clamp or hardtanh as it is."""
    if operation.kind == "hardtanh":
        low, high = operation.argument("min_val", 1, -1.0), operation.argument("max_val", 2, 1.0)
    elif operation.kind == "threshold":
        low, high = operation.argument("threshold", 1), None
        if low != operation.argument("value", 2):
            return None
    else:
        low, high = operation.argument("min", 1), operation.argument("max", 2)
    if isinstance(low, Tensor) or isinstance(high, Tensor) or low != 0:
        return None if operation.kind == "threshold" else operation
    top = float("inf") if high is None else float(high)
    kind = "relu" if high is None else "relu6"
    return Operation(kind, operation.function, operation.args, operation.kwargs, operation.in_place, top)


def _kinds() -> dict[Function, str]:
    found: dict[Function, str] = {}
    for kind, names in _SPELLINGS.items():
        for name in names:
            for home in (F, torch, Tensor):
                function = getattr(home, name, None)
                if function is not None:
                    found[function] = kind
    return found


_KINDS = _kinds()
