"""lucent and FeatureMapVisualizer, each used as its manual says, for what is measured of drawings.

Pictures are (channel, height, width), values 0 to 1. Neither is installed with the project's other peers: lucent asks
for a kornia of 2020, the other for OpenCV with windows. `INSTALL` says how to get them all the same.
"""

import contextlib
import importlib.util
import os
import random
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import Build
from benchmarks.timing import Run

NEEDS = {
    "lucent": ("lucent", "kornia", "IPython", "decorator", "sklearn"),
    "FeatureMapVisualizer": ("FeatureMapVisualizer", "cv2"),
}
INSTALL = {
    "lucent": "pip install --no-deps torch-lucent kornia==0.4.1; pip install ipython decorator scikit-learn tqdm",
    "FeatureMapVisualizer": "pip install --no-deps featuremapvisualizer; pip install opencv-python-headless",
}
FIRST_SIZE, FACTOR = 33, 1.2  # FeatureMapVisualizer's own


class MissingPeerError(RuntimeError):
    """A peer that is compared with is not installed."""


def missing(peer: str) -> tuple[str, ...]:
    """The modules that a peer needs and that are not installed."""
    return tuple(name for name in NEEDS[peer] if importlib.util.find_spec(name) is None)


def what_to_install(peer: str) -> str:
    """Which modules of a peer are missing, and how to get them."""
    return f"{peer} needs {', '.join(missing(peer))}, not installed: {INSTALL[peer]}"


def require(peer: str) -> None:
    """Raise `MissingPeerError` that says what to install."""
    if missing(peer):
        raise MissingPeerError(what_to_install(peer))


def seeded(seed: int) -> None:
    """lucent takes its start from torch and its jitter from NumPy; neither has a seed of its own."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def lucent_drawings(
    model: nn.Module,
    layer: str,
    channels: Sequence[int],
    size: int,
    steps: int,
    seed: int = 0,
    fixed: int | None = None,
) -> Tensor:
    """lucent's recommended set-up, one channel after another: Fourier, decorrelated colour, standard transforms, Adam.

    `layer` is written as lucent does, with underscores. Pictures below 224 pixels are enlarged to 224 before the
    model looks at them, unless `fixed` says to which size. Hooks that stay on the model are removed.
    """
    return torch.cat([_lucent(model, layer, [channel], size, steps, seed, fixed) for channel in channels])


def lucent_batch(
    model: nn.Module,
    layer: str,
    channels: Sequence[int],
    size: int,
    steps: int,
    seed: int = 0,
    fixed: int | None = None,
) -> Tensor:
    """The same for all channels in one batch, each picture with an objective of its own."""
    return _lucent(model, layer, channels, size, steps, seed, fixed)


def _lucent(
    model: nn.Module, layer: str, channels: Sequence[int], size: int, steps: int, seed: int, fixed: int | None
) -> Tensor:
    require("lucent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lucent.optvis import objectives, param, render  # type: ignore[import-not-found,import-untyped,unused-ignore]

    seeded(seed)
    wanted = [objectives.channel(layer, channel, batch=row) for row, channel in enumerate(channels)]
    kept = {module: dict(module._forward_hooks) for module in model.modules()}
    try:
        found = render.render_vis(
            model,
            objectives.Objective.sum(wanted),
            lambda: param.image(size, fft=True, decorrelate=True, batch=len(channels)),
            thresholds=(steps,),
            progress=False,
            show_image=False,
            fixed_image_size=fixed,
        )
    finally:
        for module, hooks in kept.items():
            module._forward_hooks.clear()
            module._forward_hooks.update(hooks)
    return torch.from_numpy(found[-1]).permute(0, 3, 1, 2).contiguous()


def lucent(layer: str, channels: int, size: int, steps: int, in_one_batch: bool = False) -> Build:
    """lucent draws the first channels of a layer, at one size from beginning to end."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        require("lucent")
        draw = lucent_batch if in_one_batch else lucent_drawings

        def run() -> list[Tensor]:
            draw(model, layer, range(channels), size, steps, fixed=size)
            return []

        return run

    return build


def recipe_sizes(times: int) -> list[int]:
    """The sizes that the multi-scale recipe goes through."""
    sizes = [FIRST_SIZE]
    while len(sizes) < times:
        sizes.append(int(FACTOR * sizes[-1]))
    return sizes


def recipe_drawing(
    model: nn.Module, layer: nn.Module, channel: int, steps: int = 20, times: int = 20, seed: int = 0
) -> Tensor:
    """FeatureMapVisualizer's own function, on any layer, also without a GPU, and without the file that it writes.

    The package knows layer names of two families of models only, and calls `.cuda()` whatever it was told.
    """
    require("FeatureMapVisualizer")
    from FeatureMapVisualizer.save_features import SaveFeatures  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from FeatureMapVisualizer.visualizer import FeatureMapVisualizer  # type: ignore[import-not-found,import-untyped,unused-ignore]

    device = next(model.parameters()).device
    flags = [parameter.requires_grad for parameter in model.parameters()]
    visualizer = FeatureMapVisualizer(model, use_cuda=device.type == "cuda")
    visualizer.register_hook = lambda _: SaveFeatures(layer)
    seeded(seed)
    try:
        with _elsewhere(), _cuda_means_here(device):
            found, _ = visualizer.visualize_patterns(
                layer=-1, filter_n=channel, opt_steps=steps, upscaling_steps=times, init_size=FIRST_SIZE
            )
    finally:
        for parameter, flag in zip(model.parameters(), flags, strict=True):
            parameter.requires_grad = flag
    return torch.from_numpy(np.ascontiguousarray(found.transpose(2, 0, 1)))


def recipe(layer: str, channels: int, steps: int, times: int) -> Build:
    """FeatureMapVisualizer draws the first channels of a layer, one after another."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        require("FeatureMapVisualizer")
        watched = model.get_submodule(layer)

        def run() -> list[Tensor]:
            for channel in range(channels):
                recipe_drawing(model, watched, channel, steps, times)
            return []

        return run

    return build


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in a folder that is thrown away."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _cuda_means_here(device: torch.device) -> Iterator[None]:
    """`tensor.cuda()` hands back the tensor where there is no GPU to go to."""
    before = torch.Tensor.cuda
    if device.type != "cuda":
        torch.Tensor.cuda = lambda tensor, *args, **options: tensor  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.cuda = before  # type: ignore[method-assign]
