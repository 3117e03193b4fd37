"""Draws the small pictures of the README and of the gallery: `python docs/cards.py` writes docs/gallery/*.webp.

With a name only that one, such as `python docs/cards.py drawing`; `report` needs Chromium and a report that is there:
`python docs/cards.py report featuremaps-demo/report.html`.
"""

import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

import featuremaps as fm
from featuremaps import demo
from featuremaps.demo.dataset import World
from featuremaps.demo.world import scene
from featuremaps.filters.figures import kernel_pixels
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.rendering import coloured

FOLDER = Path(__file__).parent / "gallery"
WIDTH, HEIGHT = 600, 400
LABELS = ("scissors", "hammer", "neither")


def tiled(tiles: list[Image.Image], columns: int, gap: int = 6) -> Image.Image:
    """Square tiles that fill a card."""
    rows = len(tiles) // columns
    side = min((WIDTH - gap * (columns - 1)) / columns, (HEIGHT - gap * (rows - 1)) / rows)
    card = Image.new("RGB", (WIDTH, HEIGHT), "white")
    left, top = (WIDTH - columns * side - gap * (columns - 1)) / 2, (HEIGHT - rows * side - gap * (rows - 1)) / 2
    for number, tile in enumerate(tiles):
        small = tile.convert("RGB").resize((round(side), round(side)), Image.Resampling.LANCZOS)
        place = number % columns, number // columns
        card.paste(small, (round(left + place[0] * (side + gap)), round(top + place[1] * (side + gap))))
    return card


def drawn(figure: Figure) -> Image.Image:
    """A figure of a card's size."""
    FigureCanvasAgg(figure)
    file = BytesIO()
    figure.savefig(file, dpi=100)
    return Image.open(file)


def scene_named(name: str) -> Image.Image:
    """A bundled picture."""
    return next(picture.image for picture in demo.images() if picture.name == name)


def map_() -> Image.Image:
    """Two pictures, as two networks look at them."""
    tiles = []
    for name in ("scissors among clutter", "something else on plain ground"):
        overlays = [
            fm.load(n).explain(scene_named(name), target="scissors").overlay()[0] for n in ("demo", "demo-fixed")
        ]
        tiles += [scene_named(name), *overlays]
    return tiled(tiles, 3)


def walk() -> Image.Image:
    """A picture, and the strongest map of five layers."""
    layers = ["conv1", "layer1", "layer2", "layer3", "layer4"]
    record = fm.load("demo-fixed").record(scene_named("scissors among clutter"), layers, gradients=False)
    return tiled(
        [scene_named("scissors among clutter"), *(strongest(record.activations[each][0]) for each in layers)], 3
    )


def strongest(maps: Tensor) -> Image.Image:
    """The map with the largest mean of a layer, coloured."""
    best = maps[maps.mean((1, 2)).argmax()].relu()
    return coloured(best / best.max(), "inferno").resize((194, 194), Image.Resampling.NEAREST)


def filters() -> Image.Image:
    """The first filters."""
    found = fm.load("demo-fixed").filters("conv1")
    tiles = []
    for kernel in found.tensor[:15]:
        pixels = kernel_pixels(kernel, float(kernel.abs().max()), (0, 1, 2))
        tiles.append(Image.fromarray(np.uint8(255 * np.asarray(pixels))).resize((96, 96), Image.Resampling.NEAREST))
    return tiled(tiles, 5)


def drawing() -> Image.Image:
    """Six channels, drawn."""
    units = [*(f"layer3:{channel}" for channel in (5, 11, 20)), *(f"layer4:{channel}" for channel in (14, 88, 12))]
    return tiled([each.over() for each in fm.load("demo-fixed").draw(units, steps=192)], 3)


def specialists() -> Image.Image:
    """Each class's own channels in each class's pictures."""
    with TemporaryDirectory() as folder:
        world = World(60, dict.fromkeys(LABELS, 0.5), seed=9_000_000)
        pictures = [(each.picture, each.label) for each in world]
        found = fm.load("demo-fixed").survey(pictures, "layer4", folder, labels=list(LABELS)).specialists()
        own = [channel for each in found for channel in each.channels[:8]]
        shares = np.stack([found.tally[number][own] / each.pictures for number, each in enumerate(found)])
        names = [each.label for each in found]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.pcolormesh(shares, cmap="viridis", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.set_yticks(np.arange(3) + 0.5, names, fontsize=15)
    axes.set_xticks([])
    axes.set_xlabel("channels", fontsize=15)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return drawn(figure)


def evidence() -> Image.Image:
    """The mean ranks of a trial, with their intervals."""
    scenes = [scene(label, seed=9_500_000 + i) for i in range(10) for label in ("scissors", "hammer")]
    methods = ["lrp", "occlusion", "integrated_gradients", "hires_cam", "layer_cam", "grad_cam", "guided_backprop"]
    trial = fm.load("demo-fixed").trial([each.picture for each in scenes], methods, ["last"])
    figure = Figure(figsize=(6, 4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15)
    axes = figure.add_subplot()
    for place, key in enumerate(trial.order):
        rank = trial.rank(key)
        pale, strong = ("#e6b8b5", "#b3261e") if trial.failed(key) else ("#9db9d3", "#1f6fb2")
        axes.plot([rank.low, rank.high], [place, place], color=pale, linewidth=5, solid_capstyle="round")
        axes.plot(rank.mean, place, "o", color=strong, markersize=10)
    names = [f"{method_name(key[0])}{' ✗' if trial.failed(key) else ''}" for key in trial.order]
    axes.set_yticks(range(len(names)), names, fontsize=14)
    axes.invert_yaxis()
    figure.supxlabel("mean rank, 1 is best; ✗ fails a sanity check", fontsize=13)
    axes.tick_params(length=0, axis="y")
    axes.tick_params(axis="x", labelsize=12)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return drawn(figure)


def shortcut() -> Image.Image:
    """Scissors that a network knows, and those that it does not: the first of shortcuts.md's figure, cut out."""
    scope = fm.load("demo")
    found = {}
    for each in World(40, {"scissors": 0.5, "hammer": 0.5}, seed=31_000_000):
        if each.label == "scissors":
            found.setdefault((bool(each.shortcut), scope.predict(each.picture)[0][0].label), []).append(each.picture)
    return tiled([*found[True, "scissors"][:3], *found[False, "hammer"][:3]], 3)


def report(path: str) -> Image.Image:
    """The first screen of a report."""
    with TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=15000"]
        page = Path(path).resolve().as_uri()
        subprocess.run(
            ["chromium", *options, "--window-size=1290,860", f"--screenshot={shot}", page],
            check=True,
            capture_output=True,
        )
        return Image.open(shot).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


CARDS: dict[str, Callable[..., Image.Image]] = {
    "map": map_,
    **{each.__name__: each for each in (walk, filters, drawing, specialists, evidence, shortcut)},
}


def main(name: str = "", *rest: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for each, made in {**CARDS, "report": report}.items():
        if each == name or (not name and each in CARDS):
            made(*rest).convert("RGB").save(FOLDER / f"{each}.webp", quality=85)


if __name__ == "__main__":
    main(*sys.argv[1:])
