"""A small report with known numbers in it, for every test of the report."""

import torch
from PIL import Image, ImageDraw

from featuremaps.report.data import MethodNote, Provenance, Rejection, ReportData
from featuremaps.report.explanations import ClassScore, ExplainedPicture, Explanations, HeatmapData

MAP = torch.tensor([[0.0, 1.0, -2.0], [3.0, 0.25, 0.5]])
"""Small enough to check by eye: strongest at row 1, column 0; most negative at row 0, column 2."""


def drawn(size: int = 96, colour: str = "steelblue") -> Image.Image:
    picture = Image.new("RGB", (size, size), colour)
    ImageDraw.Draw(picture).ellipse((size // 4, size // 4, size // 2, size // 2), fill="gold")
    return picture


def matrix(methods: tuple[str, ...], layers: tuple[str, ...], target: str = "tabby") -> tuple[HeatmapData, ...]:
    generator = torch.Generator().manual_seed(0)
    pairs = [(method, layer) for method in methods for layer in layers]
    return tuple(
        HeatmapData(method, layer, target, MAP if index == 0 else torch.randn(4, 5, generator=generator))
        for index, (method, layer) in enumerate(pairs)
    )


def sample_picture(name: str = "cat.png", **changes: object) -> ExplainedPicture:
    fields: dict[str, object] = {
        "seen": drawn(),
        "label": "tabby",
        "top": (ClassScore("Egyptian cat", 285, 0.75), ClassScore("tabby", 281, 0.2)),
        "maps": matrix(("grad_cam", "layer_cam"), ("layer3", "layer4")),
    }
    return ExplainedPicture(name, **(fields | changes))


def sample_report(*pictures: ExplainedPicture, **changes: object) -> ReportData:
    fields: dict[str, object] = {
        "findings": ("The model is wrong on one picture.",),
        "sections": (Explanations(pictures or (sample_picture(),)),),
        "rejected": (Rejection("broken.jpg", "truncated"),),
        "provenance": Provenance(
            model="demo",
            layers=("layer3", "layer4"),
            methods=(MethodNote("grad_cam", "Weights channels by their mean gradient.", "Selvaraju et al. 2017"),),
            versions={"featuremaps": "0.1.0"},
            settings={"seed": 0},
            command="featuremaps report cat.png --model demo",
        ),
    }
    return ReportData("A test report", **(fields | changes))
