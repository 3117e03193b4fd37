"""Painting a picture in the style of another, at the size of its content; or a texture, or a content alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from featuremaps.draw.ascent import Climb, climb_canvas
from featuremaps.draw.canvas import Shape
from featuremaps.draw.choices import StylizeChoices, Weights, pair
from featuremaps.draw.drawing import Drawing
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.model_view import ModelView
from featuremaps.draw.options import check_takes_pictures
from featuremaps.draw.start_picture import StartPicture, as_waves, rounded, sized, start_numbers, whole
from featuremaps.draw.style import Features, Wish
from featuremaps.errors import OptionError, did_you_mean
from featuremaps.layers.addresses import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.rules import Rule
from featuremaps.runtime.capture import device_of
from featuremaps.session import Session

Start = Literal["content", "noise"]
CANVAS = FourierCanvas(rate=0.1)
STARTS = ("content", "noise")
ADVICE = "Choose earlier layers, or give the picture as the model sees it: scope.see(picture).seen[0].image."


@dataclass(frozen=True, kw_only=True)
class StylizeOptions(StylizeChoices):
    """How a picture is painted: by which layers (None: the usual ones), with what weights, from what `start`.

    `size` (height, width) is that of a texture. `start` is "content" where there are both pictures, else "noise".
    """

    weights: Weights = field(default_factory=Weights)
    start: Start | None = None
    rate: float | None = None

    @property
    def climb(self) -> Climb:
        """How to climb."""
        rate = CANVAS.rate if self.rate is None else self.rate
        return Climb(self.steps, rate, self.optimizer, None, "best", frames=self.frames)


def stylize(studied: StudiedModel, content: Seen | None, style: Seen | None, options: StylizeOptions) -> Drawing:
    """The content of one picture in the style of another, as Gatys et al. 2016 paint it.

    The picture has the content's own size; a texture (no content) has the options' size or the style's own. A style
    larger than that is reduced. It starts from the content, where there are both, else from noise. The content is read
    off the last layer of the last map size but one, the style off the last of every map size, unless layers are given.
    `value` is the loss of the picture as a file of 8 bits keeps it. Raises `OptionError` with neither picture,
    `ModelError` where the model does not take their sizes.
    """
    return _painted(studied, _task(studied, content, style, options), options)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be painted: from which pictures, told by which layers, how large."""

    content: StartPicture | None
    style: StartPicture | None
    content_layers: Sequence[str]
    style_layers: Sequence[str]
    shape: Shape
    names: tuple[str | None, str | None]
    start: Start

    @property
    def name(self) -> str:
        content, style = self.names
        if content is None or style is None:
            return f"style of {style}" if style is not None else f"content of {content}"
        return f"{content} in the style of {style}"

    @property
    def notes(self) -> tuple[str, ...]:
        given = [picture.notes for picture in (self.content, self.style) if picture is not None]
        return tuple(dict.fromkeys(note for notes in given for note in notes))


def _task(studied: StudiedModel, content: Seen | None, style: Seen | None, options: StylizeOptions) -> _Task:
    check_takes_pictures(studied)
    size = pair(options.size)
    given, start = _checked(content, style, size, options.start)
    scene, texture = whole(content) if content else None, whole(style) if style else None
    channels, height, width = (scene or texture).shape  # type: ignore[union-attr]
    shape = (channels, *(size or (height, width)))
    inputs = given.input[None]
    share = max(shape[1:]) / max(texture.shape[1:]) if texture else 1.0  # a style that is larger is reduced
    smaller = [max(1, round(share * side)) for side in texture.shape[1:]] if texture else []
    return _Task(
        scene,
        None if texture is None else texture if share >= 1 else texture.resized(smaller),
        _layers(studied, inputs, options.content_layers, slice(-2, -1)) if content else (),
        _layers(studied, inputs, options.style_layers, slice(None)) if style else (),
        shape,
        (content.picture.name if content else None, style.picture.name if style else None),
        start,
    )


def _checked(
    content: Seen | None, style: Seen | None, size: tuple[int, int] | None, start: Start | None
) -> tuple[Seen, Start]:
    """One of the pictures given, and what to start from; `OptionError` for what does not go together."""
    given = content or style
    if given is None:
        raise OptionError("stylize takes a content, a style or both, and neither was given.")
    if content is not None and size is not None:
        raise OptionError("the picture has the content's own size; size is for a texture, which has no content.")
    start = start or ("content" if content and style else "noise")
    if start not in STARTS or (start == "content" and content is None):
        raise OptionError(
            f"start={start!r} is not possible; choose {' or '.join(map(repr, STARTS[content is None :]))}."
            f"{did_you_mean(start, STARTS[content is None :])}"
        )
    return given, start


def _layers(studied: StudiedModel, inputs: Tensor, given: str | Sequence[str] | None, default: slice) -> list[str]:
    """The layers named, or some of the last layers of each map size; found at the model's own size."""
    if given is not None:
        return studied.resolve(given, inputs)
    stages = studied.walk(inputs).stages
    return list(stages[default] or stages) or [studied.walk(inputs).last]


def _painted(studied: StudiedModel, task: _Task, options: StylizeOptions) -> Drawing:
    with studied.session() as session:
        content = _features(session, task.content, task.content_layers)
        style = _features(session, task.style, task.style_layers)
        wish = Wish.of(content, style, options.weights)
        view = _view(session, task.content or task.style, (*task.content_layers, *task.style_layers))
        parameters = start_numbers(CANVAS, 1, task.shape, options.generator, studied.model)
        if task.start == "content" and task.content is not None:
            parameters = (as_waves(CANVAS, task.content.picture).to(device_of(studied.model)),)

        def worth(pictures: Tensor, rule: Rule | None = None) -> Tensor:
            return -wish(view(pictures, rule).maps, pictures)

        with torch.no_grad(), sized(*task.shape[1:], ADVICE):
            view(CANVAS.picture(parameters, task.shape))
        pictures, course = climb_canvas(CANVAS, parameters, task.shape, worth, options.climb, "painting")
        final = rounded(pictures)
        with torch.no_grad():
            value = -float(worth(final))
    settings = {
        "verb": "stylize",
        "content": task.names[0],
        "style": task.names[1],
        "start": task.start,
        "canvas": CANVAS,
        "content_layers": list(task.content_layers),
        "style_layers": list(task.style_layers),
        "weights": options.weights,
        "size": task.shape[1:],
        "climb": options.climb,
        "seed": options.seed,
    }
    return course.drawing(0, task.name, final[0], settings, value, "minimised", task.notes)


def _view(session: Session, picture: StartPicture | None, layers: Sequence[str]) -> ModelView:
    assert picture is not None
    return ModelView(session, [parse(name) for name in dict.fromkeys(layers)], False, picture.to_input)


def _features(session: Session, picture: StartPicture | None, layers: Sequence[str]) -> Features:
    """What each layer makes of a whole picture."""
    if picture is None:
        return {}
    with torch.no_grad(), sized(*picture.shape[1:], ADVICE):
        maps = _view(session, picture, layers)(picture.picture[None]).maps
    return {layer: maps[layer][0] for layer in layers}
