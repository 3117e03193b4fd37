"""Draws the gallery's pictures of methods for transformers and detectors: `python docs/method_cards.py`.

It writes docs/gallery/method-*.webp, of the small models that attention.py and detectors.py train. With "attention" or
"detectors" only those.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import attention
import detectors
import torch
from PIL import Image

import featuremaps as fm

FOLDER = Path(__file__).parent / "gallery"
SIDE = 384
OF_ATTENTION = ("attention_rollout", "generic_attention", "transformer_attribution", "legrad")


def save(name: str, overlay: Image.Image) -> None:
    """A picture of the gallery's size."""
    square = overlay.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    square.save(FOLDER / f"method-{name}.webp", quality=82)


def of_attention() -> None:
    """Each method on a green disc among grey ones."""
    scope = fm.Scope(attention.trained(), classes=attention.NAMES)
    pictures, labels, _ = attention.scenes(1, 10_000)
    for (name, _, _), heat in scope.compare(pictures, list(OF_ATTENTION), targets=labels).items():
        save(name, heat.overlay()[0])


def of_detectors() -> None:
    """D-RISE on the surest box that a detector finds in a street of four scenes."""
    demo = fm.load("demo-fixed")
    scope = fm.Scope(detectors.trained(demo.model), detectors.whole_picture(demo), classes=detectors.NAMES)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "street.png"
        detectors.street().save(path)
        heat = scope.explain(path, "d_rise", target=fm.Detection(0), masks=1000)
        save("d_rise", heat.overlay()[0])


def main(name: str = "") -> None:
    """Write those of one kind, or all."""
    for kind, made in {"attention": of_attention, "detectors": of_detectors}.items():
        if name in ("", kind):
            made()


if __name__ == "__main__":
    torch.manual_seed(0)
    main(*sys.argv[1:])
