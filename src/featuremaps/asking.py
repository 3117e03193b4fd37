"""From what a user asks for to a request: layers found, targets and options understood, nothing run needlessly."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from featuremaps.anatomy import Anatomy
from featuremaps.errors import OptionError
from featuremaps.explain import Request
from featuremaps.methods import Method, find_method
from featuremaps.needs import together
from featuremaps.targets import as_target

MethodLike = str | Callable[..., Any]


def methods_of(methods: MethodLike | Sequence[MethodLike]) -> list[Method]:
    """One or several methods, by name or formula."""
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        return [find_method(methods)]
    return [find_method(method) for method in methods]


def several(targets: object) -> list[object]:
    """One target, or a list of several for each picture."""
    return list(targets) if isinstance(targets, list | tuple) else [targets]


def asked(
    anatomy: Anatomy,
    inputs: Tensor,
    methods: Sequence[Method],
    layers: str | Sequence[str],
    targets: Sequence[object],
    options: Mapping[str, Mapping[str, object]],
    **rest: Any,
) -> Request:
    """The request for these methods, layers and targets on inputs of this size; `rest` goes to it as it is."""
    if not methods or not targets:
        raise OptionError("compare needs at least one method and one target.")
    need = together(name for method in methods for name in method.needs)
    names = anatomy.resolve(layers, inputs, run=not need.target) if need.layer else []
    return Request(
        methods=tuple(dict.fromkeys(methods)),
        layers=tuple(names),
        targets={_key(target): as_target(target) for target in targets},
        options=_checked(methods, options),
        deeper={name: anatomy.deeper(name, inputs) for name in names} if need.deeper else {},
        stop_early=not need.target,
        **rest,
    )


def _key(target: object) -> object:
    """What a comparison is keyed by: the target itself where that is possible."""
    if isinstance(target, Tensor):
        return tuple(target.tolist()) if target.ndim else target.item()
    key = tuple(target) if isinstance(target, list) else target
    try:
        hash(key)
    except TypeError:
        return repr(target)
    return key


def _checked(methods: Sequence[Method], options: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    names = [method.name for method in methods]
    for name in options:
        if name not in names:
            raise OptionError(f"options were given for {name!r}, which is not among the methods: {', '.join(names)}.")
    return {method.name: method.checked(options.get(method.name, {})) for method in methods}
