"""Draws the README's picture: `python docs/figures.py` writes docs/shortcut.png."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import featuremaps as fm
from featuremaps import demo
from featuremaps.runtime.outputs import probabilities

SHOWN = ("scissors on plain ground", "something else on plain ground")


def main() -> None:
    pictures = [picture for picture in demo.images() if picture.name in SHOWN]
    figure = Figure(figsize=(10.4, 2.35), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 6)
    for number, picture in enumerate(pictures):
        panels = [(picture.image, picture.name)]
        for name in ("demo", "demo-fixed"):
            scope = fm.load(name)
            comparison = scope.compare(picture.image, "grad_cam", "last", "scissors")
            shares = probabilities(comparison.scores[0][None])[0]
            top = int(shares.argmax())
            title = f"{name}: {scope.classes[top]} {shares[top]:.0%}"
            panels.append((next(iter(comparison.values())).overlay()[0], title))
        for place, (image, title) in enumerate(panels):
            panel = axes[3 * number + place]
            panel.imshow(image)
            panel.set_title(title, fontsize=8)
            panel.axis("off")
    figure.suptitle("What speaks for scissors (Grad-CAM, last layer)", fontsize=9, color="#555")
    figure.savefig(Path(__file__).parent / "shortcut.png", dpi=130)


if __name__ == "__main__":
    main()
