"""What is asked of a model: methods, layers, targets and options, found and understood, and nothing run needlessly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.explain.comparison import INPUT, Key
from featuremaps.explain.options import ExplainOptions
from featuremaps.layers.given import GivenLayout
from featuremaps.methods import Method, find_method
from featuremaps.methods.needs import together
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.pictures.seen import Seen
from featuremaps.targets.bound import Several, Target
from featuremaps.targets.placed_masks import placed
from featuremaps.targets.targets import as_target, select

MethodLike = str | Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """Every method on every layer for every target.

    `targets` are keyed by what the user gave. `deeper` holds, per layer, the last layer of every coarser map size after
    it, where a method asks for them. `fused` names the layers whose maps are added up where one of `layers` stands for
    several. `stop_early` allows the model to stop after the deepest layer. With
    `keep_failures` a method that fails leaves its message instead of raising. `layout` is how the user says that layers
    lie.
    """

    methods: tuple[Method, ...]
    layers: tuple[str, ...]
    targets: Mapping[Any, Target | Several]
    options: ExplainOptions = field(default_factory=ExplainOptions)
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    deeper: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stop_early: bool = False
    keep_failures: bool = False
    layout: GivenLayout | None = None

    @property
    def asked(self) -> bool:
        """Whether a target was given, and not just left to the model, which then has to say whether it fits."""
        return not self.stop_early and any(key is not None for key in self.targets)

    @property
    def keys(self) -> list[Key]:
        """The keys of the comparison, in order."""
        return [(method.name, layer, target) for target in self.targets for layer, method in self.pairs]

    @property
    def pairs(self) -> list[tuple[str, Method]]:
        """Each layer with each method that looks at it, and "input" with those that look at no layer."""
        by_layer = [(layer, method) for layer in self.layers for method in self.methods if method.by_layer]
        return by_layer + [(INPUT, method) for method in self.methods if not method.by_layer]

    def of(self, rows: Sequence[int], pictures: Sequence[Seen]) -> "Request":
        """The same request for some of the pictures: targets given one per picture are picked out, masks laid on."""
        chosen, total, axes = [pictures[row] for row in rows], len(pictures), len(pictures[0].space)
        targets = {key: placed(select(one, rows, total, axes), chosen) for key, one in self.targets.items()}
        return replace(self, targets=targets)


def methods_of(methods: MethodLike | Sequence[MethodLike]) -> list[Method]:
    """One or several methods, by name or formula."""
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        return [find_method(methods)]
    return [find_method(method) for method in methods]


def one_method(method: Any) -> Method:
    """The one method that is named or given; `OptionError` for several."""
    methods = methods_of(method)
    if len(methods) != 1:
        raise OptionError(f"explain takes one method, and {len(methods)} were given; compare(methods=…) takes several.")
    return methods[0]


def several(targets: object) -> list[object]:
    """One target, or a list of several for each picture."""
    return list(targets) if isinstance(targets, list | tuple) else [targets]


def request_for(
    studied: StudiedModel,
    inputs: Tensor,
    methods: MethodLike | Sequence[MethodLike],
    layers: str | Sequence[str],
    targets: object,
    options: ExplainOptions,
    keep_failures: bool = False,
) -> Request:
    """The request for these methods, layers and targets on inputs of this size; raises what does not fit."""
    chosen, wanted = methods_of(methods), several(targets)
    if not chosen or not wanted:
        raise OptionError("compare needs at least one method and one target.")
    need = together(name for method in chosen for name in method.needs)
    names, fused = studied.resolve_fused(layers, inputs) if need.layer else ([], {})
    single = [each for name in names for each in fused.get(name, (name,))]
    return Request(
        methods=tuple(dict.fromkeys(chosen)),
        layers=tuple(names),
        targets={_key(target): as_target(target) for target in wanted},
        options=replace(options, of_methods=_checked(chosen, options.of_methods)),
        classes=replace(studied.class_outputs, threshold=options.threshold),
        deeper={name: studied.deeper(name, inputs) for name in single} if need.deeper else {},
        fused=fused,
        stop_early=not need.target and all(target is None for target in wanted),
        keep_failures=keep_failures,
        layout=studied.layout,
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
