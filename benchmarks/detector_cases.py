"""What is measured of detectors: all boxes of a picture, beside a pass for each and the detector's own throughput."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.case import OURS, Case, Contestant, Goal, Pair
from benchmarks.peers import Build
from benchmarks.timing import Run

BOXES, MASKS, AT_ONCE = 20, 64, 16
DETECTOR = "ssdlite320_mobilenet_v3_large"
RECIPE, BARE = "a pass for each box", "bare forwards"


def explained(method: str, **options: Any) -> Build:
    """`Scope.explain` without a target: each box found."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import featuremaps as fm

        scope = fm.Scope(model)

        def run() -> list[Tensor]:
            scope.explain(pictures, method, threshold=0.0, **options)
            return []

        return run

    return build


def recipe(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
    """Grad-CAM as notebooks have it: for each box a forward pass, and a backward pass through the whole model."""
    import featuremaps as fm

    kept: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        output.retain_grad()
        kept[name] = output

    def of_box(number: int) -> list[Tensor]:
        model.zero_grad()
        model(pictures)[0]["scores"][number].backward()
        maps = [each for each in kept.values() if each.grad is not None]
        return [(each.grad.mean((2, 3), keepdim=True) * each).sum(1).detach() for each in maps if each.grad is not None]

    layers = fm.Scope(model).layers(pictures).levels

    def run() -> list[Tensor]:
        hooks = [
            model.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: keep(name, output))
            for name in layers
        ]
        for number in range(BOXES):
            of_box(number)
        for hook in hooks:
            hook.remove()
        return []

    return run


def throughput(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
    """As many pictures as there are masks through the detector, in batches, and nothing else."""
    copies = pictures[:1].repeat(AT_ONCE, 1, 1, 1)

    def run() -> list[Tensor]:
        with torch.inference_mode():
            for _ in range(MASKS // AT_ONCE):
                model(copies)
        return []

    return run


DETECTOR_CASES = {
    "boxes": Case(
        f"Grad-CAM of {BOXES} boxes, SSDlite",
        DETECTOR,
        {OURS: Contestant(explained("grad_cam")), RECIPE: Contestant(recipe)},
        (Pair(OURS, RECIPE, Goal(5)),),
        batches=(1,),
    ),
    "d_rise": Case(
        f"D-RISE of {BOXES} boxes, {MASKS} masks, SSDlite",
        DETECTOR,
        {OURS: Contestant(explained("d_rise", masks=MASKS)), BARE: Contestant(throughput)},
        (Pair(OURS, BARE, Goal(0.9)),),
        batches=(1,),
    ),
}
