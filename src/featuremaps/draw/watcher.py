"""Looking at pictures through a model while they are drawn: what the layers asked for make of them, with a graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.layers.addresses import Address
from featuremaps.outputs import logits_of
from featuremaps.rules import Rule
from featuremaps.running import quickest
from featuremaps.state import Session
from featuremaps.tapping import run_tapped, to_model
from featuremaps.view import Preprocessing


@dataclass(frozen=True, eq=False)
class Looked:
    """What a model made of a batch of pictures: `maps[layer]` (row, channel, height, width), and its outputs if run."""

    maps: Mapping[str, Float[Tensor, "row _channel _height _width"]]
    outputs: Any = None

    def rows(self, start: int, stop: int) -> "Looked":
        """What it made of some of them."""
        outputs = self.outputs[start:stop] if isinstance(self.outputs, Tensor) else self.outputs
        return Looked({layer: maps[start:stop] for layer, maps in self.maps.items()}, outputs)


@dataclass(frozen=True, eq=False)
class Watcher:
    """Runs a model on pictures of values 0 to 1 and stops at the deepest of `layers`, unless `outputs` are wanted.

    `precision` is that of the model's float32 operations while it runs; maps and scores are float32 again.
    """

    session: Session
    layers: Sequence[Address]
    outputs: bool
    to_input: Callable[[Tensor], Tensor]
    precision: torch.dtype = torch.float32

    def __call__(self, pictures: Float[Tensor, "row channel height width"], rule: Rule | None = None) -> Looked:
        """What the model makes of the pictures, by way of a backward rule if one is given."""
        inputs = to_model(self.session.model, self.to_input(pictures))

        def run(layout: torch.memory_format) -> Looked:
            lower = self.precision != torch.float32 and inputs.dtype == torch.float32
            with torch.autocast(inputs.device.type, self.precision, enabled=lower):
                tap, outputs = run_tapped(
                    self.session,
                    inputs.contiguous(memory_format=layout),
                    self.layers,
                    gradients=torch.is_grad_enabled(),
                    stop_early=not self.outputs,
                    with_graph=torch.is_grad_enabled(),
                    rule=rule,
                )
            scores = logits_of(outputs)
            maps = {address.name: tap.maps(address.name).float() for address in self.layers}
            return Looked(maps, outputs if scores is None else scores.float())

        return quickest(self.session, run)


def quick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies in it, which is about twice as quick; float32 elsewhere."""
    if device.type == "cuda":
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
        quick = bool(supported is not None and supported())
    else:
        quick = False
    return torch.bfloat16 if quick else torch.float32


def to_input(preprocessing: Preprocessing, channels: int) -> Callable[[Tensor], Tensor]:
    """From pictures of values 0 to 1 to what the model takes: the transform's own normalisation, as far as known.

    Without a transform, or one whose colours cannot be told, the values go in as they are.
    """
    found = preprocessing.normalization() if preprocessing.transform is not None else None
    if found is None or len(found.scale) != channels or len(found.shown) != channels:
        return lambda pictures: pictures
    order = sorted(range(channels), key=lambda colour: found.shown[colour])
    scale, offset = (torch.tensor(values)[:, None, None] for values in (found.scale, found.offset))

    def normalised(pictures: Tensor) -> Tensor:
        ordered = pictures if order == list(range(channels)) else pictures[:, order]
        return ordered * scale.to(pictures.device) + offset.to(pictures.device)

    return normalised
