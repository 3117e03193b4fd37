"""What is tried on each architecture, one function for each column of the table.

A cell is "yes", "–" where it does not apply, or the reason for which it failed. What a person would pick as the last
layer stands in `last.txt`, with how its output lies: "maps", "last" (channels last) or "tokens+N+M" (N of them before
the patches, M after).
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import featuremaps as fm
from benchmarks.coverage.zoo import Entry
from featuremaps.errors import FeatureMapsError
from featuremaps.models.keras_model import KerasModel
from featuremaps.tail import Tail

YES, NOT = "yes", "–"
EPSILON = 1e-8
"""Of batch norms: beside the variance of small random weights the usual one is large, and signals die out."""
COLUMNS = (
    "loads",
    "last",
    "grad_cam",
    "ablation_cam",
    "tail",
    "guided_backprop",
    "lrp",
    "maps",
    "draw",
    "survey",
    "unchanged",
)
PICKED = Path(__file__).with_name("last.txt")


class Pick(NamedTuple):
    """A layer, how its output lies, and whether it was written down before ours was seen."""

    layer: str
    lies: str
    beforehand: bool


def picked() -> dict[str, Pick]:
    """What a person would pick, by the key of the architecture."""
    picks, beforehand = {}, False
    for line in PICKED.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            beforehand = "before" in line
        elif line.strip():
            key, layer, lies = line.rsplit(None, 2)
            picks[key] = Pick(layer, lies, beforehand)
    return picks


class Trial:
    """One architecture with everything that is tried on it."""

    def __init__(self, entry: Entry) -> None:
        torch.manual_seed(0)
        self.entry = entry
        self.scope = fm.Scope(entry.build(), **entry.options)
        self.model: nn.Module = self.scope.model
        calibrate(self.model.eval(), entry.shape)
        self.pictures = torch.rand(2, *entry.shape)
        self.before = snapshot(self.model)
        self.target: Any = None if entry.kind in ("classifier", "segmentation") else total

    def loads(self) -> str:
        """The model runs."""
        with torch.no_grad():
            self.scope.record(self.pictures, gradients=False)
        return YES

    def last(self) -> str:
        """The layer that a person would pick."""
        pick, given = picked().get(self.entry.key), self.layer
        if pick is None:
            return f"picked {given}, and nobody has said what is right"
        if given == pick.layer:
            return YES
        same = same_values(self.model, self.pictures[:1], given, pick.layer)
        return f"{YES} ({given}, the same values)" if same else f"picked {given}, a person {pick.layer}"

    @property
    def layer(self) -> str:
        """What "last" is."""
        return self.scope.layers(self.pictures[:1]).last

    def grad_cam(self) -> str:
        """The map of the last layer against a hook's."""
        layer, lies, _ = picked().get(self.entry.key, Pick(self.layer, "maps", False))
        heat = self.scope.explain(self.pictures, layer=layer, target=self.target)
        expected = by_hook(self, layer, lies, heat).reshape(heat.tensor.shape)
        error = float((heat.tensor - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
        return YES if error < 1e-3 else f"differs from a hook's by {error:.1e} of the largest value"

    def ablation_cam(self) -> str:
        """Finite, for all channels."""
        return finite(self.scope.explain(self.pictures[:1], "ablation_cam", target=self.target).tensor)

    def tail(self) -> str:
        """What follows the layer, run alone, against the whole model with that layer replaced; and by which way."""
        name, _, call = self.layer.partition("#")
        tail = Tail(self.model, name, self.pictures[:1], call=int(call) if call else None)
        edited = tail.output.detach() * torch.rand(tail.output.shape)
        calls = 0

        def replace(module: nn.Module, args: object, output: Any) -> Any:
            nonlocal calls
            calls += 1
            if call and calls != int(call) + 1:
                return None
            return edited if isinstance(output, Tensor) else type(output)([edited, *list(output)[1:]])

        hook = self.model.get_submodule(name).register_forward_hook(replace)
        with torch.no_grad():
            expected = self.model(self.pictures[:1])
        hook.remove()
        with torch.no_grad():
            given = tail(edited)
        error = float((total(given) - total(expected)).abs().max() / total(expected).abs().max().clamp_min(1e-30))
        return f"{YES} ({tail.way})" if error < 1e-3 else f"{tail.way}: differs by {error:.1e}"

    def guided_backprop(self) -> str:
        """Finite, and what was replaced."""
        values = self.scope.explain(self.pictures, "guided_backprop", target=self.target)
        words = next((text for text in values.warnings[0] if "acted on" in text or "nothing" in text), "")
        return f"{finite(values.tensor)}{f' ({words})' if words else ''}"

    def lrp(self) -> str:
        """Finite, and not zero."""
        values = self.scope.explain(self.pictures, "lrp", target=self.target).tensor
        return finite(values) if bool(values.any()) else "zero everywhere"

    def maps(self) -> str:
        """Every layer's maps are read or told why not."""
        maps = self.scope.maps(self.pictures[:1], "last")
        return YES if len(maps) else "no maps"

    def draw(self) -> str:
        """Four steps for one channel."""
        shape = self.entry.shape
        if len(shape) != 3:
            return NOT
        drawing = self.scope.draw(f"{self.layer}:1", steps=4, size=(shape[1], shape[2]))[0]
        return YES if math.isfinite(drawing.value) else "not finite"

    def survey(self) -> str:
        """Eight pictures."""
        pictures = list(torch.rand(8, *self.entry.shape))
        with tempfile.TemporaryDirectory() as folder:
            survey = self.scope.survey(pictures, "last", out=Path(folder) / "survey", workers=0, each="picture")
            return YES if len(survey.pictures) == 8 else f"{len(survey.pictures)} pictures of 8"

    def unchanged(self) -> str:
        """Weights, flags and hooks are as they were."""
        return YES if snapshot(self.model) == self.before else "the model was changed"


def tried(entry: Entry, columns: Sequence[str] = COLUMNS) -> Iterator[tuple[str, str]]:
    """Each of these columns of one architecture and its cell, as soon as it is known; first whether it loads."""
    trial: list[Trial] = []

    def attempt(call: Callable[[], str]) -> str:
        try:
            return call()
        except FeatureMapsError as error:
            return f"refused: {error}"
        except Exception as error:  # what is being looked for
            return f"{type(error).__name__}: {error}".partition("\n")[0]

    def loads() -> str:
        trial.append(Trial(entry))
        return trial[0].loads()

    yield "loads", attempt(loads)
    for column in COLUMNS[1:]:
        if trial and column in columns:
            yield column, attempt(getattr(trial[0], column))


def calibrate(model: nn.Module, shape: tuple[int, ...]) -> None:
    """Batch norms take the statistics of random pictures, as those of a trained model would fit its own.

    Heads that begin as zeros begin as small numbers.
    """
    for linear in (module for module in model.modules() if isinstance(module, nn.Linear)):
        if not bool(linear.weight.any()):
            nn.init.normal_(linear.weight, std=0.02)
    pictures = torch.rand(4, *shape)
    if isinstance(model, KerasModel):
        for layer in model.keras_layers():
            if hasattr(layer, "moving_mean"):
                layer.momentum, layer.epsilon = 0.0, min(layer.epsilon, EPSILON)
        model.keras_model(pictures.movedim(1, -1), training=True)
        return
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum, norm.training, norm.eps = None, True, min(norm.eps, EPSILON)
    with torch.no_grad():
        model(pictures)
    model.eval()


def snapshot(model: nn.Module) -> list[Any]:
    """Everything of a model that must not change."""
    sums = [(name, hash(value.detach().cpu().float().numpy().tobytes())) for name, value in model.state_dict().items()]
    # Keras adds lists of its variables when it is asked for its parameters.
    modules = [module for module in model.modules() if not isinstance(module, nn.ParameterDict | nn.ParameterList)]
    flags = [(module.training, len(module._forward_hooks), len(module._backward_hooks)) for module in modules]
    gradients = [parameter.grad is None and parameter.requires_grad for parameter in model.parameters()]
    return [sums, flags, gradients]


def finite(values: Tensor) -> str:
    """ "yes" where all numbers are."""
    return YES if bool(values.isfinite().all()) else f"{int((~values.isfinite()).sum())} values are not finite"


def total(outputs: Any) -> Tensor:
    """The sum of everything that a model gives for a picture, (batch,)."""
    if isinstance(outputs, list | tuple) and outputs and isinstance(outputs[0], Mapping):
        return torch.stack([each["scores"].sum() for each in outputs])
    if isinstance(outputs, Tensor):
        return outputs.reshape(len(outputs), -1).sum(1)
    values = outputs.values() if isinstance(outputs, Mapping) else outputs
    return torch.stack(
        [total(value) for value in values if isinstance(value, Tensor) and value.is_floating_point()]
    ).sum(0)


def same_values(model: nn.Module, pictures: Tensor, *layers: str) -> bool:
    """Whether two layers give the same, if laid out anew: one of them only hands on what the other made."""
    if any("#" in layer for layer in layers):
        return False
    taken: list[Any] = []
    hooks = [
        model.get_submodule(layer).register_forward_hook(lambda module, args, output: taken.append(output))
        for layer in layers
    ]
    with torch.no_grad():
        model(pictures)
    for hook in hooks:
        hook.remove()
    first, *others = (each if isinstance(each, Tensor) else next(iter(each)) for each in taken)
    return all(torch.equal(*(values.flatten().sort().values for values in (first, each))) for each in others)


def by_hook(trial: Trial, layer: str, lies: str, heat: fm.Heatmaps) -> Tensor:
    """Grad-CAM with a plain hook: the answers' classes are those that the heatmap says."""
    taken: list[Tensor] = []
    name, _, call = layer.partition("#")

    def keep(module: nn.Module, args: object, output: Any) -> Any:
        parts = output.values() if isinstance(output, Mapping) else output
        taken.append(output if isinstance(output, Tensor) else next(iter(parts)))
        return output.clone() if isinstance(output, Tensor) else None  # what follows may work in place

    hook = trial.model.get_submodule(name).register_forward_hook(keep)
    outputs = trial.model(trial.pictures.clone().requires_grad_())
    hook.remove()
    out = taken[int(call) if call else -1]
    score = total(outputs) if trial.target is not None else of_classes(outputs, trial.entry.scores, heat)
    gradient = torch.autograd.grad(score.sum(), out)[0]
    values, gradient = (as_maps(each, lies, heat) for each in (out.detach(), gradient))
    return (gradient.flatten(2).mean(2)[(...,) + (None,) * (values.ndim - 2)] * values).sum(1)


def of_classes(outputs: Any, part: int | str | None, heat: fm.Heatmaps) -> Tensor:
    """The score of each picture's class; of dense ones the mean over the places that are given to the class."""
    if part is not None:
        outputs = outputs[part]
    elif not isinstance(outputs, Tensor):
        outputs = next(outputs[key] for key in ("logits", "out") if key in outputs)
    scores = outputs[:, None] if outputs.ndim == 1 else outputs
    chosen = torch.tensor([answer.index for answer in heat.answers if answer is not None])
    if scores.ndim > 2:
        inside = (scores.argmax(1) == chosen[(...,) + (None,) * (scores.ndim - 2)])[:, None]
        scores = (scores * inside).flatten(2).sum(2) / inside.flatten(2).sum(2)
    return scores.gather(1, chosen[:, None])[:, 0]


def as_maps(values: Tensor, lies: str, heat: fm.Heatmaps) -> Tensor:
    """A layer's output as (batch, channel, *places)."""
    if lies == "maps":
        return values
    if lies == "last":
        return values.movedim(-1, 1)
    prefix, _, suffix = lies.partition("+")[2].partition("+")
    patches = values[:, int(prefix or 0) : values.shape[1] - int(suffix or 0)]
    return patches.transpose(1, 2).unflatten(2, tuple(heat.tensor.shape[1:]))
