"""Keras models on the torch backend as ordinary modules: pictures in PyTorch's order of axes, layers by their names."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.pictures.preprocess import preprocess
from featuremaps.pictures.preprocessing import InputForm
from featuremaps.runtime.capture import Stop
from featuremaps.session import preserved, warnings_ignored

Shape = tuple[int | None, ...]
SEQUENTIAL = frozenset({"RNN", "BaseConv1D", "Conv1D", "Conv1DTranspose", "DepthwiseConv1D", "SeparableConv1D"})
"""Layers that say that rows of an input without colours are steps of a signal."""
ANY_SIDE, COMPRESSED, FAR = 64, 0.1, 2.0


class KerasModel(nn.Module):
    """A Keras model that takes pictures (batch, channel, height, width); "layers.base.conv" is a layer inside another.

    The layers themselves are registered, under their Keras names, and the Keras model stays as it is.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.keras_model: Any
        self.__dict__["keras_model"] = model  # not registered: its layers are
        self.layers = nn.ModuleDict()
        self._modules.update(_addresses(model, "layers"))
        self.shape = _input_shape(model)  # without the batch, as Keras counts axes
        kinds = {kind.__name__ for layer in self.keras_layers() for kind in type(layer).__mro__}
        self.without_colours = len(self.shape) == 2 and None not in self.shape and not kinds & SEQUENTIAL
        self.channels_first = any(
            getattr(layer, "data_format", None) == "channels_first" for layer in self.keras_layers()
        )

    def forward(self, inputs: Tensor) -> Any:
        """The model's outputs for a batch in PyTorch's order of axes; `ModelError` where Keras would refuse it."""
        given = inputs.squeeze(1) if self.without_colours else inputs
        given = given if self.channels_first or self.without_colours else given.movedim(1, -1)
        lengths = tuple(given.shape[1:])
        if not _fits(lengths, self.shape):
            raise ModelError(
                f"Keras model {self.keras_model.name!r} takes inputs of {_text(self.shape)}, as Keras orders axes, and "
                f"got {_text(lengths)}. {self._advice(tuple(inputs.shape[1:]))}"
            )
        with _errors_as_raised():
            outputs = self.keras_model(given, training=False)  # Keras would flip and shift pictures at random
        return self._channels_second(outputs)

    def _advice(self, lengths: Shape) -> str:
        """What to give in place of an input of these lengths, which stand as PyTorch orders axes."""
        if not self.channels_first and _fits(lengths, self.shape):
            return "The channels stand last in it, and come first here: numpy.moveaxis(batch, -1, 1)."
        if self.form.axes != 3:
            return f"Give tensors (channel, …) of such lengths, {_text(self.form.shape or ())} for one."
        return "Give a transform that makes them so, such as featuremaps.preprocess(size=…)."

    def _channels_second(self, outputs: Any) -> Any:
        """Outputs with a place for each of the picture's, as those of a segmentation, in PyTorch's order of axes."""
        if isinstance(outputs, Mapping):
            return {name: self._channels_second(each) for name, each in outputs.items()}
        if isinstance(outputs, list | tuple):
            return type(outputs)(map(self._channels_second, outputs))
        places = outputs.ndim == len(self.shape) + 1 and outputs.ndim > 3 and not self.without_colours
        return outputs.movedim(-1, 1) if places and not self.channels_first else outputs

    def get_submodule(self, target: str) -> nn.Module:
        """The layer at an address, also inside another layer."""
        parents = [name for name in self._modules if target == name or target.startswith(f"{name}.")]
        if not parents:
            return super().get_submodule(target)
        parent = max(parents, key=len)
        below = target[len(parent) + 1 :]
        return self._modules[parent].get_submodule(below)  # type: ignore[union-attr]

    def keras_layers(self) -> Iterator[Any]:
        """Every layer, also inside others."""
        return (layer for name, layer in self._modules.items() if name != "layers")

    @property
    def form(self) -> InputForm:
        """What one input is: its axes and channels."""
        if self.without_colours:
            return InputForm(grey=True, shape=(1, *self.shape))
        channels, *sides = self.shape if self.channels_first else (self.shape[-1], *self.shape[:-1])
        flat = len(sides) == 2
        return InputForm(
            axes=len(self.shape),
            grey=flat and channels == 1,
            bands=channels if flat and channels not in (None, 1, 3) else None,
            shape=(channels, *sides),
        )

    @property
    def transform(self) -> Callable[..., Any] | None:
        """Pictures resized to the model's input, in the range of its own scaling layers; None where neither is known.

        Without such layers pixels are from 0 to 1.
        """
        form = self.form
        assert form.shape is not None
        if form.axes != 3 or form.bands is not None:
            return None
        sides = [side for side in form.shape[1:] if side is not None]
        if len(sides) < 2 and self.range is None:
            return None
        return preprocess(size=sides if len(sides) == 2 else None, std=1 / (self.range or 1), grey=form.grey)

    @cached_property
    def range(self) -> int | None:
        """The brightest pixel that the model is made for, 255 or 1, as its own scaling shows; None without any.

        Found by running: what its first layer with weights receives of a black picture, and of one that is 1.
        """
        dark, bright = (self._received(level) for level in (0.0, 1.0))
        if dark is None or bright is None:
            return None
        step, offset = float((bright - dark).abs().mean()), float(dark.abs().max())
        if math.isclose(step, 1, rel_tol=1e-4) and offset < 1e-6:
            return None
        return 255 if step < COMPRESSED or offset > FAR else 1

    def _received(self, level: float) -> Tensor | None:
        """The middle of what the first layer with weights gets of an input that is `level` everywhere."""
        received: list[Tensor] = []

        def stop(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
            received.extend(item for item in args[:1] if isinstance(item, Tensor))
            raise Stop

        with preserved(self) as session, torch.no_grad(), warnings_ignored(), suppress(Stop, Exception):
            for layer in self.keras_layers():
                if layer.weights and not _parts(layer) and type(layer).__name__ != "Normalization":
                    session.on_forward(layer, stop)
            like = next(self.parameters(), torch.zeros(0))
            sides = [length or ANY_SIDE for length in self.shape]
            self.keras_model(torch.full((1, *sides), level, device=like.device))
        if not received:
            return None
        middle = [length // 2 for length in received[0].shape[1:-1]]  # away from what is padded
        return received[0][(0, *middle)].float()


def is_keras(model: object) -> bool:
    """Whether this is a Keras model, on whatever backend; Keras is not imported for that. `ModelError` for a layer."""
    keras = sys.modules.get("keras")
    kinds = [getattr(keras, "Model", None), getattr(getattr(keras, "layers", None), "Layer", None)]
    is_model, is_layer = (isinstance(kind, type) and isinstance(model, kind) for kind in kinds)
    if is_layer and not is_model:
        raise ModelError(
            f"{type(model).__name__} is a Keras layer, and featuremaps looks into models. Make one of it: "
            "keras.Sequential([keras.Input((224, 224, 3)), layer])."
        )
    return is_model


def keras_kernel(layer: Any) -> dict[str, Any] | None:
    """A Keras convolution's weights in PyTorch's order, with its groups and dilation; None for another layer.

    A depthwise and a pointwise kernel in a row are one convolution, with the product of both.
    """
    kinds = {kind.__name__ for kind in type(layer).__mro__ if kind.__module__.startswith("keras.")}
    if not kinds & {"BaseConv", "BaseConvTranspose", "BaseDepthwiseConv", "BaseSeparableConv"} or not layer.built:
        return None
    groups, transposed = int(getattr(layer, "groups", 1)), "BaseConvTranspose" in kinds
    if "BaseSeparableConv" in kinds:
        depthwise, pointwise = (_tensor(kernel) for kernel in (layer.depthwise_kernel, layer.pointwise_kernel))
        mixed = pointwise.reshape(*depthwise.shape[-2:], -1)
        weight = torch.einsum("...cm,cmo->oc...", depthwise, mixed)
    elif "BaseDepthwiseConv" in kinds:
        kernel = _tensor(layer.kernel)
        weight, groups = kernel.movedim((-2, -1), (0, 1)).flatten(0, 1)[:, None], kernel.shape[-2]
    else:
        weight = _tensor(layer.kernel).movedim((-1, -2), (0, 1))
    return {"weight": weight, "groups": groups, "transposed": transposed, "dilation": layer.dilation_rate}


@contextmanager
def _errors_as_raised() -> Iterator[None]:
    """While Keras does not rewrite the errors that are raised in its layers, which may be this library's."""
    config = sys.modules["keras"].config
    rewriting = config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        yield
    finally:
        if rewriting:
            config.enable_traceback_filtering()


def _tensor(variable: Any) -> Tensor:
    value: Tensor = getattr(variable, "value", variable)
    return value.detach()


def _parts(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _addresses(model: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Every layer of a model or a layer, with its address."""
    for layer in _parts(model):
        if type(layer).__name__ != "InputLayer":
            name = f"{above}.{layer.name.replace('.', '_')}"
            yield name, layer
            yield from _addresses(layer, name)


def _input_shape(model: Any) -> Shape:
    """The shape of the model's one input, without the batch; `ModelError` for several, for none, and for vectors."""
    what = f"Keras model {model.name!r}"
    if not model.built:
        raise ModelError(
            f"{what} has no weights yet, because the shape of its inputs is not known. Call it once on a batch, such "
            "as model(np.zeros((1, 224, 224, 3))), or begin it with keras.Input((224, 224, 3))."
        )
    inputs = getattr(model, "inputs", None)
    if inputs and len(inputs) > 1:
        shown = ", ".join(f"{each.name} {_text(each.shape[1:])}" for each in inputs)
        raise ModelError(
            f"{what} takes {len(inputs)} inputs ({shown}), and featuremaps gives a model one, the pictures. Make a "
            "model of the picture alone that supplies the others: picture = keras.Input((224, 224, 3)); "
            "keras.Model(picture, model([picture, keras.ops.zeros((1, 10))]))."
        )
    if inputs:
        shape = tuple(inputs[0].shape[1:])
    else:
        built = (model.get_build_config() or {}).get("input_shape")
        if not built or not isinstance(built[0], int | None):
            raise ModelError(f"{what} does not say which inputs it takes: {built}. Give a model of pictures alone.")
        shape = (*(None for _ in built[1:-1]), built[-1])  # the sizes are those of one call
    if len(shape) < 2:
        raise ModelError(
            f"{what} takes vectors ({_text(shape)}), and featuremaps looks into models of pictures, signals and "
            "volumes. Give a model whose input is (height, width, channel)."
        )
    return shape


def _fits(lengths: Shape, shape: Shape) -> bool:
    """Whether an input of these lengths is one of this shape."""
    return len(lengths) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, lengths, strict=True)
    )


def _text(shape: Shape) -> str:
    return "×".join("any" if length is None else str(length) for length in shape)
