"""Between which values an operation's results lie, where its kind alone tells: what class scores can be."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from featuremaps.receptive_field.call import Value
from featuremaps.receptive_field.op_rules import MOVING


class Range(NamedTuple):
    """From `low` to `high`, both included; of numbers that are the `logarithm` of shares.

    `rectified`: what a ReLU left of numbers of any size, as the logits of SqueezeNet are.
    """

    low: float = -math.inf
    high: float = math.inf
    logarithm: bool = False
    rectified: bool = False


UNBOUNDED = Range()
SHARES = Range(0.0, 1.0)
BOUNDED = {
    "sigmoid": SHARES,
    "hardsigmoid": SHARES,
    "_softmax": SHARES,
    "_safe_softmax": SHARES,
    "_log_softmax": Range(high=0.0, logarithm=True),
    "log_sigmoid_forward": Range(high=0.0, logarithm=True),
    "tanh": Range(-1.0, 1.0),
    "acos": Range(0.0, math.pi),
    **dict.fromkeys(("sin", "cos", "erf"), Range(-1.0, 1.0)),
    **dict.fromkeys(("softplus", "abs", "square", "rsqrt"), Range(low=0.0)),
    **dict.fromkeys(("_cdist_forward", "_euclidean_dist", "linalg_vector_norm", "norm"), Range(low=0.0)),
}
"""Whatever they are given."""
CHOOSING = frozenset({"index", "index_select", "gather"})
AMONG = MOVING | CHOOSING | {"select", "slice", "split", "unbind", "topk", "cat", "stack"}
AMONG |= {"mean", "median", "max", "min", "amax", "amin", "maximum", "minimum", "max_pool2d_with_indices"}
AMONG |= {"avg_pool2d", "_adaptive_avg_pool2d", "native_dropout"}
"""Some of the values given, or means of them."""
MEANS = frozenset({"mean", "avg_pool2d", "_adaptive_avg_pool2d"})
OF_SHARES = frozenset({"mul", "prod", "cumprod", "sqrt", "square"})
"""What they make of numbers from 0 to 1 is such a number again."""


def value_range(op: str, args: Mapping[str, Any], given: Sequence[Range]) -> Range:
    """The range of the results, from those of the tensors given; unbounded where it is not known."""
    op = op if op in AMONG or op in BOUNDED else op.removesuffix("_")
    if op in BOUNDED:
        return BOUNDED[op]
    if op in CHOOSING and given and args["self"].field is not None:
        return given[0]
    if not given or _tensors(args) != len(given):
        return UNBOUNDED
    if op in AMONG:
        every = all(each.logarithm for each in given) and op not in MEANS
        rectified = all(each.rectified for each in given)
        return Range(min(each.low for each in given), max(each.high for each in given), every, rectified)
    if op == "exp":
        return SHARES if given[0].high <= 0 else Range(low=0.0)
    if op == "neg":
        return Range(-given[0].high + 0.0, -given[0].low + 0.0)
    shares = all(each.low >= 0 and each.high <= 1 for each in given)
    if op == "log":
        return BOUNDED["_log_softmax"] if shares else UNBOUNDED
    if op in _OF_ONE:
        return _OF_ONE[op](given[0])
    if op == "pow":
        return _power(given[0], args.get("exponent"))
    numbers = [value for name in ("other", "min", "max") if isinstance(value := args.get(name), int | float)]
    if op in OF_SHARES and shares and not numbers:
        return SHARES
    if op.startswith("clamp") and len(given) == 1:
        return _clamped(given[0], args)
    return _combined(op, [*(each[:2] for each in given), *((number,) for number in numbers)], args)


def _combined(op: str, ends: Sequence[Sequence[int | float]], args: Mapping[str, Any]) -> Range:
    """Of two tensors, or a tensor and a number, whose extremes lie where those of both do."""
    if op == "div" and min(*ends[0], *ends[-1]) >= 0 and args.get("rounding_mode") is None and len(ends[-1]) > 1:
        return Range(low=0.0)
    divided = op == "div" and (len(ends[-1]) > 1 or 0 in ends[-1] or args.get("rounding_mode") is not None)
    if op not in _COMBINING or len(ends) != 2 or args.get("alpha", 1) != 1 or divided:
        return UNBOUNDED
    if op == "mul":  # an end that is 0 stays it, however far the other reaches
        values = [first * second if first and second else 0.0 for first, second in product(*ends)]
    else:
        values = [_COMBINING[op](first, second) for first, second in product(*ends)]
    return UNBOUNDED if any(map(math.isnan, values)) else Range(min(values) + 0.0, max(values) + 0.0)


def _sum(given: Range) -> Range:
    """Of numbers of one sign, which their sum has too."""
    return Range(0.0 if given.low >= 0 else -math.inf, 0.0 if given.high <= 0 else math.inf)


def _reciprocal(given: Range) -> Range:
    return Range(1 / given.high, 1 / given.low if given.low else math.inf) if given.low >= 0 < given.high else UNBOUNDED


def _power(given: Range, exponent: object) -> Range:
    """Even powers, and powers of numbers that are not negative."""
    even = isinstance(exponent, int | float) and exponent > 0 and exponent % 2 == 0
    return Range(low=0.0) if even or (given.low >= 0 and isinstance(exponent, int | float)) else UNBOUNDED


def _clamped(given: Range, args: Mapping[str, Any]) -> Range:
    low, high = (args.get(name) for name in ("min", "max"))
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    return Range(min(max(given.low, low), high), max(min(given.high, high), low))


def _tensors(args: object) -> int:
    """How many tensors the arguments hold."""
    if isinstance(args, Value):
        return 1
    items = args.values() if isinstance(args, Mapping) else args if isinstance(args, list | tuple) else ()
    return sum(map(_tensors, items))


_OF_ONE: dict[str, Callable[[Range], Range]] = {
    "relu": lambda given: given if given.low >= 0 else Range(0.0, max(given.high, 0.0), rectified=given == UNBOUNDED),
    "sum": _sum,
    "reciprocal": _reciprocal,
    "sqrt": lambda given: SHARES if given.low >= 0 and given.high <= 1 else Range(low=0.0),
}
_COMBINING: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "rsub": lambda value, number: number - value,
    "mul": operator.mul,
    "div": operator.truediv,
}
