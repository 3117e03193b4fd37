"""The contestants that are ours, as a user would call them. `featuremaps` is imported only where it is run, so that
the memory of a peer is its own.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from benchmarks.drawn import drawn, drawn_multiscale
from benchmarks.peers import Build
from benchmarks.timing import Run


def explain(method: str, layer: str, **options: Any) -> Build:
    """`Scope.explain`: one method on one layer."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope = fm.Scope(model)
        return lambda: [scope.explain(pictures, method, layer=layer, target=classes, **options).tensor]

    return build


def compare(methods: Sequence[str], layers: Sequence[str]) -> Build:
    """`Scope.compare`: all methods on all layers, enlarged to the picture as grad-cam does."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope, target = fm.Scope(model), tuple(classes)

        def run() -> list[Tensor]:
            found = scope.compare(pictures, methods, layers, [target])
            return [found[method, layer, target].upsample().tensor for layer in layers for method in methods]

        return run

    return build


def pixels(methods: Sequence[str], **options: Any) -> Build:
    """`Scope.compare` with pixel methods; values (batch, colour, …) are handed on as maps (batch·colour, …)."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope, target = fm.Scope(model), tuple(classes)

        def run() -> list[Tensor]:
            found = scope.compare(pictures, methods, targets=[target], options=options)
            return [found[method, "input", target].tensor.flatten(0, 1) for method in methods]

        return run

    return build


def heads(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
    """`Scope.attention`: every head of every layer, seen from the class token."""
    import featuremaps as fm

    scope = fm.Scope(model)
    return lambda: [scope.attention(pictures).tensor.flatten(0, 2)]


def draw(layer: str, channels: int, size: int, steps: int) -> Build:
    """`Scope.draw`: the first channels of a layer, all in one call."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope, units = fm.Scope(model), [f"{layer}:{channel}" for channel in range(channels)]

        def run() -> list[Tensor]:
            drawn(scope, units, size, steps)
            return []

        return run

    return build


def multiscale(layer: str, channels: int, steps: int, times: int) -> Build:
    """The multi-scale recipe: the first channels of a layer, all in one call."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope, units = fm.Scope(model), [f"{layer}:{channel}" for channel in range(channels)]

        def run() -> list[Tensor]:
            drawn_multiscale(scope, units, steps, times)
            return []

        return run

    return build
