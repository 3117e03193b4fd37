"""Draws the README's picture: `python docs/figures.py` writes docs/shortcut.png, and shortcut-narrow.png for phones."""

from itertools import chain
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import featuremaps as fm
from featuremaps import demo

SHOWN = {
    "scissors on plain ground": "scissors on\nplain ground",
    "something else on plain ground": "a spoon on\nplain ground",
}


def panels() -> list[list[tuple[Image.Image, str]]]:
    """For each picture itself and what speaks for scissors in two networks, each with its title."""
    rows = []
    for picture in [picture for picture in demo.images() if picture.name in SHOWN]:
        row = [(picture.image, SHOWN[picture.name])]
        for name in ("demo", "demo-fixed"):
            scope = fm.load(name)
            answer = scope.predict(picture.image)[0][0]
            heat = scope.explain(picture.image, "grad_cam", target="scissors")
            row.append((heat.overlay()[0], f"{name}:\n{answer.label} {answer.probability:.0%}"))
        rows.append(row)
    return rows


def figure(rows: list[list[tuple[Image.Image, str]]], width: float, height: float, size: float) -> Figure:
    """Panels in these rows, their titles of this size in points."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawn)
    for axes, (image, title) in zip(drawn.subplots(len(rows), len(rows[0])).flat, chain(*rows), strict=True):
        axes.imshow(image, interpolation="bicubic")
        axes.set_title(title, fontsize=size)
        axes.axis("off")
    drawn.suptitle("What speaks for scissors (Grad-CAM, last layer)", fontsize=size, color="#555")
    return drawn


def main() -> None:
    """Write both pictures."""
    rows = panels()
    for name, drawn in {
        "shortcut": figure([[*chain(*rows)]], 10.4, 2.65, 11.5),
        "shortcut-narrow": figure(rows, 5.2, 4.7, 12),
    }.items():
        drawn.savefig(Path(__file__).with_name(f"{name}.png"), dpi=130, bbox_inches="tight", pad_inches=0.05)


if __name__ == "__main__":
    main()
