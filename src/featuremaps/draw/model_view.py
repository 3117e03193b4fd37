"""Looking at pictures through a model while they are drawn: what the layers asked for make of them, with a graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.errors import FeatureMapsError, ModelError
from featuremaps.layers.addresses import Address
from featuremaps.layers.layout import Layout
from featuremaps.layers.model_ends import main_tensor
from featuremaps.outputs.outputs import logits_of
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.probe_transform import Normalization
from featuremaps.rules import Rule
from featuremaps.runtime.capture import run_capturing, to_model
from featuremaps.runtime.memory_format import quickest
from featuremaps.session import Session, warnings_ignored

MULTIPLIES_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Instructions of x86 and ARM processors. With others torch converts to float32 and back, which is slower."""


@dataclass(frozen=True, eq=False)
class Responses:
    """What a model made of a batch of pictures: `given[layer]` (row, channel, height, width), and its outputs if run.

    `given` is in the precision that the model ran in, `maps` and a `channel` in float32 at least.
    """

    given: Mapping[str, Float[Tensor, "row _channel _height _width"]]
    outputs: Any = None

    @cached_property
    def maps(self) -> Mapping[str, Float[Tensor, "row _channel _height _width"]]:
        """All channels of each layer."""
        return {layer: _wide(maps) for layer, maps in self.given.items()}

    def channel(self, layer: str, number: int) -> Float[Tensor, "row _height _width"]:
        """One channel of a layer; the others are not converted, nor what is sent back to them."""
        return _wide(self.given[layer].movedim(1, -1)[..., number])

    def rows(self, start: int, stop: int) -> "Responses":
        """What it made of some of them."""
        outputs = self.outputs[start:stop] if isinstance(self.outputs, Tensor) else self.outputs
        return Responses({layer: maps[start:stop] for layer, maps in self.given.items()}, outputs)


class Compiled:
    """`torch.compile` of the part of a model up to some layers; compiling takes a minute, each step less after it.

    Layers are cut out of a trace by torchvision's feature extraction; outputs alone are those of the whole model.
    Raises `ModelError` for a model that cannot be traced or compiled here.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Address], outputs: bool) -> None:
        self.outputs = outputs
        if layers and (outputs or any(address.call is not None for address in layers)):
            raise ModelError(
                "compile=True draws layers or classes, not sums of both, nor single calls of a module that runs "
                "several times; draw them without it."
            )
        try:
            part = _cut(model, [address.layer for address in layers]) if layers else model
            self._run = torch.compile(lambda inputs: part(inputs))  # compiling a module itself would mark it
        except Exception as error:
            raise _cannot(error) from error

    def __call__(self, inputs: Tensor) -> Any:
        """The layers' outputs by name, or the model's own."""
        try:
            with warnings_ignored():  # the compiler's own, about what is not the user's
                return self._run(inputs)
        except (FeatureMapsError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise _cannot(error) from error


@dataclass(frozen=True, eq=False)
class ModelView:
    """Runs a model on pictures of values 0 to 1 and stops at the deepest of `layers`, unless `outputs` are wanted.

    `precision` is that of the model's float32 operations while it runs; maps and scores are float32 again. What is
    `compiled` runs in the model's place where a gradient is wanted and no rule, once it is known how the layers lie.
    """

    session: Session
    layers: Sequence[Address]
    outputs: bool
    to_input: Callable[[Tensor], Tensor]
    precision: torch.dtype = torch.float32
    compiled: Compiled | None = None
    _layouts: dict[str, Layout] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, pictures: Float[Tensor, "row channel height width"], rule: Rule | None = None) -> Responses:
        """What the model makes of the pictures, by way of a backward rule if one is given."""
        inputs = to_model(self.session.model, self.to_input(pictures))
        return quickest(self.session, lambda layout: self._looked(inputs.contiguous(memory_format=layout), rule))

    def _looked(self, laid: Tensor, rule: Rule | None) -> Responses:
        lower = self.precision != torch.float32 and laid.dtype == torch.float32
        quick = self.compiled is not None and rule is None and torch.is_grad_enabled()
        with torch.autocast(laid.device.type, self.precision, enabled=lower):
            if quick and all(address.name in self._layouts for address in self.layers):
                return self._compiled(laid)
            with batch_norms_folded(self.session, [address.layer for address in self.layers]):
                graph, early = torch.is_grad_enabled(), not self.outputs
                rules = () if rule is None else (rule,)
                capture, outputs = run_capturing(
                    self.session, laid, self.layers, gradients=graph, stop_early=early, with_graph=graph, rules=rules
                )
        self._layouts.update(capture.layouts)
        maps = {address.name: capture.maps(address.name) for address in self.layers}
        return Responses(maps, _scores(outputs))

    def _compiled(self, inputs: Tensor) -> Responses:
        assert self.compiled is not None
        outputs = self.compiled(inputs)
        if self.compiled.outputs:
            return Responses({}, _scores(outputs))
        taken = {address.name: main_tensor(outputs[address.layer]) for address in self.layers}
        return Responses({name: self._layouts[name].to_maps(raw) for name, raw in taken.items() if raw is not None})


def _wide(maps: Tensor) -> Tensor:
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def _scores(outputs: Any) -> Any:
    """The model's scores, float32; what it returns where there are none."""
    scores = logits_of(outputs)
    return outputs if scores is None else scores.float()


def quick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies in it, which is about twice as quick; float32 elsewhere."""
    if device.type == "cuda":
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        told: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
        quick = torch.backends.mkldnn.is_available() and any(told.get(name) for name in MULTIPLIES_BFLOAT16)
    else:
        quick = False
    return torch.bfloat16 if quick else torch.float32


def known_colours(preprocessing: Preprocessing, channels: int) -> Normalization | None:
    """The transform's own normalisation; None without a transform, or where it cannot be told for every channel."""
    normalization = preprocessing.normalization() if preprocessing.transform is not None else None
    fits = normalization is not None and len(normalization.scale) == len(normalization.shown) == channels
    return normalization if fits else None


def to_input(preprocessing: Preprocessing, channels: int) -> Callable[[Tensor], Tensor]:
    """From pictures of values 0 to 1 to what the model takes; as they are where no normalisation is known."""
    known = known_colours(preprocessing, channels)
    if known is None:
        return lambda pictures: pictures
    order = sorted(range(channels), key=lambda colour: known.shown[colour])
    numbers = torch.tensor([known.scale, known.offset], device="cpu", dtype=torch.float32)
    scale, offset = numbers[:, :, None, None].unbind()

    def normalised(pictures: Tensor) -> Tensor:
        ordered = pictures if order == list(range(channels)) else pictures[:, order]
        return ordered * scale.to(pictures.device) + offset.to(pictures.device)

    return normalised


def _cut(model: nn.Module, layers: Sequence[str]) -> nn.Module:
    from torchvision.models.feature_extraction import create_feature_extractor

    return create_feature_extractor(model, {layer: layer for layer in layers})


def _cannot(error: Exception) -> ModelError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ModelError(
        f"this model cannot be compiled here ({type(error).__name__}: {first}). Draw without compile=True."
    )
