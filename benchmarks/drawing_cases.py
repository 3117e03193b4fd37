"""What is measured of drawing by optimisation: the same steps, the same size, as many pictures for everyone.

A contestant draws the first channels of a layer; `batch` is how many. What comes out is judged in `drawing_quality`.
"""

from benchmarks import drawing_peers, ours
from benchmarks.case import OURS, Case, Contestant, Goal, Pair

LUCENT, TOGETHER, RECIPE = "lucent", "lucent, in one batch", "FeatureMapVisualizer"
SIZE = 128
STEPS, DEEP_STEPS = 64, 32
RECIPE_STEPS, RECIPE_TIMES = 20, 12  # up to the model's own size, where the published 20 times end at 986 pixels


def _early() -> Case:
    return Case(
        f"Drawing a channel of layer1, {STEPS} steps at {SIZE} px",
        "resnet50",
        {
            OURS: Contestant(ours.draw("layer1", 1, SIZE, STEPS)),
            LUCENT: Contestant(drawing_peers.lucent("layer1", 1, SIZE, STEPS), peer="lucent"),
        },
        (Pair(OURS, LUCENT, Goal(4)),),
        batches=(1,),
    )


def _deep(layer: str) -> Case:
    return Case(
        f"Drawing 8 channels of {layer}, {DEEP_STEPS} steps at {SIZE} px",
        "resnet50",
        {
            OURS: Contestant(ours.draw(layer, 8, SIZE, DEEP_STEPS)),
            LUCENT: Contestant(drawing_peers.lucent(layer, 8, SIZE, DEEP_STEPS), peer="lucent"),
            TOGETHER: Contestant(drawing_peers.lucent(layer, 8, SIZE, DEEP_STEPS, in_one_batch=True), peer="lucent"),
        },
        (Pair(OURS, LUCENT, Goal(4)), Pair(OURS, TOGETHER, Goal(1))),
        batches=(8,),
    )


def _recipe(layer: str, channels: int, goal: float) -> Case:
    what = "a channel" if channels == 1 else f"{channels} channels"
    return Case(
        f"Multi-scale recipe, {RECIPE_STEPS} steps × {RECIPE_TIMES} sizes, {what} of {layer}",
        "resnet50",
        {
            OURS: Contestant(ours.multiscale(layer, channels, RECIPE_STEPS, RECIPE_TIMES)),
            RECIPE: Contestant(drawing_peers.recipe(layer, channels, RECIPE_STEPS, RECIPE_TIMES), peer=RECIPE),
        },
        (Pair(OURS, RECIPE, Goal(goal)),),
        batches=(channels,),
    )


DRAWING_CASES = {
    "draw1": _early(),
    "draw3": _deep("layer3"),
    "draw4": _deep("layer4"),
    "recipe1": _recipe("layer1", 1, 5),
    "recipe4": _recipe("layer4.1", 8, 5),
    "recipe4_1": _recipe("layer4.1", 1, 1),
}
