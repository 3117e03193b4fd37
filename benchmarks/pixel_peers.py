"""captum's pixel maps and the model's own throughput, each used as its manual says.

Values (batch, colour, height, width) are handed on as maps (batch·colour, height, width).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import Build
from benchmarks.timing import Run

AT_ONCE = 32  # pictures that captum runs together for a batch of several; without a limit they do not fit into memory


def captum(methods: Sequence[str], **options: Any) -> Build:
    """captum's classes `methods`, one call each."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import captum.attr as peer  # type: ignore[import-untyped]

        target = torch.tensor(classes, device=pictures.device)
        attributions = [getattr(peer, method)(model) for method in methods]

        def run() -> list[Tensor]:
            found = [one.attribute(pictures, target=target, **options) for one in attributions]
            return [values.detach().float().flatten(0, 1) for values in found]

        return run

    return build


def captum_integrated(steps: int) -> Build:
    """captum's integrated gradients: all steps of one picture at once, or `AT_ONCE` pictures at a time."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        limit = {} if len(pictures) == 1 else {"internal_batch_size": AT_ONCE}
        return captum(["IntegratedGradients"], n_steps=steps, **limit)(model, pictures, classes)

    return build


def captum_smooth(samples: int, noise: float) -> Build:
    """captum's SmoothGrad: all samples of one picture at once, or about `AT_ONCE` pictures at a time."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        from captum.attr import NoiseTunnel, Saliency

        target, tunnel = torch.tensor(classes, device=pictures.device), NoiseTunnel(Saliency(model))
        spread = noise * float(pictures.max() - pictures.min())
        limit = {} if len(pictures) == 1 else {"nt_samples_batch_size": max(1, AT_ONCE // len(pictures))}
        given = {"nt_type": "smoothgrad", "nt_samples": samples, "stdevs": spread, "abs": False, **limit}
        return lambda: [tunnel.attribute(pictures, target=target, **given).detach().flatten(0, 1)]

    return build


def throughput(passes: int, at_once: int) -> Build:
    """The model alone on `passes` copies of each picture, `at_once` at a time."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        copies = pictures.repeat_interleave(at_once, 0)[:at_once].clone()

        def run() -> list[Tensor]:
            with torch.inference_mode():
                for _ in range(passes * len(pictures) // at_once):
                    model(copies)
            return []

        return run

    return build


def captum_occlusion(window: int, stride: int) -> Build:
    """captum's occlusion with square windows over all colours, one window at a time, which is its default.

    It gives every colour the same value, of which one is handed on.
    """

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        from captum.attr import Occlusion

        target, occlusion = torch.tensor(classes, device=pictures.device), Occlusion(model)
        given = {"sliding_window_shapes": (3, window, window), "strides": (3, stride, stride), "baselines": 0}
        return lambda: [occlusion.attribute(pictures, target=target, **given)[:, 0].detach()]

    return build
