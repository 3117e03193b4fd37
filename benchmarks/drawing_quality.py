"""How good our drawings are beside lucent's and the classic multi-scale recipe's, on the real SqueezeNet.

    python -m benchmarks.drawing_quality [--part channels|classes|demo] [--layer NAME] [--size N] [--sheets DIR]

Channels and classes are spread evenly, not chosen. Tables go to the terminal as Markdown; sheets show the pictures.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks import drawing_peers as peers
from benchmarks import drawing_scores as scores
from benchmarks.case import OURS
from benchmarks.drawing_sheet import Strip, sheet
from benchmarks.drawing_tables import LUCENT, NORMALISED, RECIPE, SURE, Drawn, channel_table, class_table
from benchmarks.drawn import drawn
from benchmarks.table import aligned

if TYPE_CHECKING:
    import featuremaps as fm

PARTS = ("channels", "classes", "demo")
LAYER, CHANNELS, CLASSES = "features.12", 24, 20
RECIPE_STEPS, RECIPE_TIMES = 20, 12  # to 230 pixels, the first size that fills what the model was trained for
LONGEST = 20  # letters of a class name on a sheet

Draw = Callable[[Sequence[int], int], Tensor]
"""From channels or classes and steps to pictures."""


def channels(judge: scores.Judge, units: Sequence[int], size: int, steps: int) -> dict[str, Drawn]:
    """These channels of the judge's layer by everyone; the value is the score."""
    layer = judge.layer
    lucent_layer = layer.replace(".", "_")
    return _everyone(
        {
            OURS: (lambda some, steps: drawn(_scope(), [f"{layer}:{unit}" for unit in some], size, steps), steps),
            LUCENT: (
                lambda some, steps: peers.lucent_drawings(scores.squeezenet(), lucent_layer, some, size, steps),
                steps,
            ),
            RECIPE: (lambda some, steps: _recipes(layer, some, steps, normalised=False), RECIPE_STEPS),
            NORMALISED: (lambda some, steps: _recipes(layer, some, steps, normalised=True), RECIPE_STEPS),
        },
        units,
        lambda pictures: judge.scores(pictures, units),
    )


def classes(judge: scores.Judge, indices: Sequence[int], size: int, steps: int) -> dict[str, Drawn]:
    """These classes, by their logits; the value is the probability that the model gives the class that was drawn."""
    return _everyone(
        {
            OURS: (lambda some, steps: drawn(_scope(), some, size, steps), steps),
            LUCENT: (
                lambda some, steps: peers.lucent_drawings(scores.squeezenet(), "labels", some, size, steps),
                steps,
            ),
        },
        indices,
        lambda pictures: judge.probabilities(pictures)[torch.arange(len(indices)), list(indices)],
    )


def _everyone(
    draws: Mapping[str, tuple[Draw, int]], wanted: Sequence[int], value: Callable[[Tensor], Tensor]
) -> dict[str, Drawn]:
    """Everyone in turn, after a single step that warms up; peers that are not installed are named, and left out."""
    found = {}
    for name, (draw, steps) in draws.items():
        try:
            draw(wanted[:1], 1)
        except peers.MissingPeerError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        begun = time.perf_counter()
        pictures = scores.eight_bit(draw(wanted, steps))
        seconds = time.perf_counter() - begun
        print(f"{name}: {len(pictures)} pictures in {seconds:.0f} s", file=sys.stderr)
        found[name] = Drawn(pictures, seconds, value(pictures))
    return found


def _scope() -> "fm.Scope":
    import featuremaps as fm

    return fm.load("torchvision:squeezenet1_0", weights=scores.WEIGHTS)


def _recipes(layer: str, units: Sequence[int], steps: int, normalised: bool) -> Tensor:
    """FeatureMapVisualizer's pictures; the package shows them to the model as they are, without normalising them."""
    model = scores.squeezenet()
    whole = nn.Sequential(scores.normalise, model) if normalised else model
    watched = model.get_submodule(layer)
    return torch.stack([peers.recipe_drawing(whole, watched, unit, steps, RECIPE_TIMES) for unit in units])


def channel_sheet(found: Mapping[str, Drawn], layer: str, units: Sequence[int], size: int, steps: int) -> Image.Image:
    """The drawn channels, with their scores."""
    highest = torch.stack([each.values for each in found.values()]).amax(0)
    strips = {
        name: Strip(
            each.pictures,
            [f"{value:.1f}" if value >= 1 else f"{value:.2f}" for value in each.values.tolist()],
            (each.values >= highest).tolist(),
        )
        for name, each in found.items()
    }
    subtitle = (
        f"{size} px, {steps} steps. Below each: its activation over the best of 100 photographs, shown once, "
        "undistorted; the highest in green."
    )
    title = f"SqueezeNet {layer}: {len(units)} channels, evenly spread"
    return sheet(title, subtitle, [f"channel {unit}" for unit in units], strips)


def class_sheet(found: Mapping[str, Drawn], indices: Sequence[int], size: int, steps: int) -> Image.Image:
    """The drawn classes, with the probabilities that the model gives them."""
    from torchvision.models import SqueezeNet1_0_Weights

    names = [SqueezeNet1_0_Weights.DEFAULT.meta["categories"][index] for index in indices]
    strips = {
        name: Strip(each.pictures, [f"{value:.3f}" for value in each.values.tolist()], (each.values >= SURE).tolist())
        for name, each in found.items()
    }
    subtitle = f"{size} px, {steps} steps. Below each: the model's own probability for the class; from {SURE} in green."
    return sheet(
        f"SqueezeNet: {len(names)} classes, evenly spread", subtitle, [_fitted(name) for name in names], strips
    )


def _fitted(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}…"


def demo_table(steps: int) -> str:
    """A class drawn on one demo model, and the place that the other one gives it among its own classes."""
    import featuremaps as fm

    scopes = {name: fm.load(name) for name in ("demo", "demo-fixed")}
    lines = [line for one in scopes for other in scopes if one != other for line in _crossed(scopes, one, other, steps)]
    return aligned(("drawn on", "class", "judged by", "rank", "probability"), lines)


def _crossed(scopes: "Mapping[str, fm.Scope]", one: str, other: str, steps: int) -> Iterator[list[str]]:
    drawing, judging = scopes[one], scopes[other]
    names, known = list(drawing.classes or ()), list(judging.classes or ())
    size = drawing.see(Image.new("RGB", (256, 256))).seen[0].input.shape[-1]
    pictures = scores.eight_bit(drawn(drawing, range(len(names)), size, steps))
    for name, picture in zip(names, pictures, strict=True):
        if name not in known:
            continue
        seen = judging.see(Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())).seen[0]
        with torch.inference_mode():
            answers = judging.model.eval()(seen.input[None]).softmax(1)[0]
        rank = int((answers > answers[known.index(name)]).sum()) + 1
        yield [one, name, other, f"{rank} of {len(known)}", f"{answers[known.index(name)]:.3f}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawing_quality", description="how good drawings are")
    parser.add_argument("--part", action="append", choices=PARTS, help="this part only (may be given several times)")
    parser.add_argument("--layer", default=LAYER, help="of SqueezeNet, whose channels are drawn")
    parser.add_argument("--size", type=int, default=scores.SIZE, help="of a drawing, in pixels, for everyone")
    parser.add_argument("--steps", type=int, default=128, help="for everyone but the recipe, which has its own")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="write the pictures to this folder, as sheets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file as well")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    return parser.parse_args()


def main() -> None:
    """Draw, judge, print, and write the files asked for."""
    warnings.simplefilter("ignore")
    chosen = _arguments()
    torch.set_num_threads(chosen.threads)
    parts, size, steps = chosen.part or PARTS, chosen.size, chosen.steps
    judge = scores.judge(chosen.layer)
    sheets: dict[str, Image.Image] = {}
    figures: dict[str, object] = {"size": size, "steps": steps}
    if "channels" in parts:
        units = scores.spread(len(judge.best) - 1, CHANNELS)
        found = channels(judge, units, size, steps)
        print(f"{CHANNELS} channels of {chosen.layer}\n\n{channel_table(found)}\n", flush=True)
        figures["channels"] = {"units": units} | {name: each.as_dict() for name, each in found.items()}
        sheets["channels"] = channel_sheet(found, chosen.layer, units, size, steps)
    if "classes" in parts:
        indices = scores.spread(999, CLASSES)
        found = classes(judge, indices, size, steps)
        print(f"{CLASSES} classes\n\n{class_table(found)}\n", flush=True)
        figures["classes"] = {"indices": indices} | {name: each.as_dict() for name, each in found.items()}
        sheets["classes"] = class_sheet(found, indices, size, steps)
    if "demo" in parts:
        print(f"A class drawn on one model, judged by another\n\n{demo_table(steps)}\n")
    for name, page in sheets.items() if chosen.sheets else ():
        chosen.sheets.mkdir(parents=True, exist_ok=True)
        page.save(chosen.sheets / f"{name}.png", optimize=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
