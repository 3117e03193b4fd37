"""Where drawings are made: one batch of pictures, one objective for each, one model that looks at them all."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from featuremaps.draw.ascent import Climb, Course, ascend
from featuremaps.draw.best_real import Known, best_real
from featuremaps.draw.canvas_registry import canvas_settings, find_canvas
from featuremaps.draw.compile import Compiled
from featuremaps.draw.diversity import likeness
from featuremaps.draw.drawing import Drawing, Real
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.importance import Importance
from featuremaps.draw.maco import MacoCanvas
from featuremaps.draw.model_view import ModelView, Responses, quick_precision, to_input
from featuremaps.draw.multiscale import Multiscale, draw_multiscale
from featuremaps.draw.objective import Channel, Ground, Objective
from featuremaps.draw.options import DrawOptions
from featuremaps.draw.start_picture import rounded
from featuremaps.layers.addresses import parse
from featuremaps.pictures.seen import Seen
from featuremaps.rules import Rule
from featuremaps.runtime.batches import out_of_memory
from featuremaps.runtime.capture import device_of
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.session import Session

STRIDE = 7919
"""How far the seeds of two steps are apart."""


class DrawingRun:
    """A model that is kept as it is, and how it is drawn from."""

    def __init__(self, session: Session, studied: StudiedModel, blank: Tensor, options: DrawOptions) -> None:
        self.session, self.studied, self.options = session, studied, options
        recipe = options.recipe
        self.canvas = (
            FourierCanvas() if recipe or isinstance(options.canvas, Multiscale) else find_canvas(options.canvas)
        )
        self.shape = options.shape(blank)
        self.own_size = studied.preprocessing.own_size
        self.device = device_of(session.model)
        named = options.precision
        self.precision = quick_precision(self.device) if named == "auto" else getattr(torch, named)
        self.to_input = to_input(studied.preprocessing, self.shape[0])

    def grounded(self, objectives: Sequence[Objective]) -> list[Objective]:
        """The objectives, checked against what the model makes of a grey picture of the size to be drawn."""
        grey = torch.full((1, *self.shape), 0.5, device=self.device)
        looked = self._watcher(objectives)(grey)
        plain = self._watcher(objectives, as_inputs=True)
        ground = Ground(looked, self.studied.classes, plain)
        return [each.grounded(ground) for each in objectives]

    def best_real(self, objectives: Sequence[Objective], real: Sequence[Seen] | Known) -> Sequence[Real | None]:
        """For each objective the best of some real pictures, or the one known already; None where there is none."""
        if not isinstance(real, Sequence):
            return [real(each.layer, each.channel) if isinstance(each, Channel) else None for each in objectives]
        if not real:
            return [None] * len(objectives)
        watcher = self._watcher(objectives, as_inputs=True)

        def values(inputs: Tensor) -> Tensor:
            looked = watcher(inputs)
            return torch.stack([each.values(looked) for each in objectives], 1)

        return best_real(values, real, batch_size=self.options.batch_size)

    def drawn(self, objectives: Sequence[Objective]) -> list[list[Drawing]]:
        """The variants of each objective; fewer objectives at a time where memory is short."""
        try:
            return self._drawn(objectives)
        except RuntimeError as error:
            if not out_of_memory(error) or len(objectives) == 1:
                raise
        half = len(objectives) // 2
        return [*self.drawn(objectives[:half]), *self.drawn(objectives[half:])]

    def _drawn(self, objectives: Sequence[Objective]) -> list[list[Drawing]]:
        variants, recipe, importance = self.options.variants, self.options.recipe, Importance()
        if recipe is None:
            pictures, course = self._on_canvas(objectives, importance)
        else:
            pictures, course = self._by_recipe(objectives, recipe)
        with torch.no_grad():
            reached = [self._reached(each, pictures[i * variants :][:variants]) for i, each in enumerate(objectives)]
        shown = self.options.alpha if self.options.alpha is not None else isinstance(self.canvas, MacoCanvas)
        return [
            [
                self._drawing(
                    objective,
                    variant,
                    pictures[i * variants + variant],
                    float(reached[i][variant]),
                    course.of(i * variants + variant),
                    importance.of(i * variants + variant) if shown and recipe is None else None,
                )
                for variant in range(variants)
            ]
            for i, objective in enumerate(objectives)
        ]

    def _on_canvas(self, objectives: Sequence[Objective], importance: Importance) -> tuple[Tensor, Course]:
        """The pictures of a climb of the canvas's numbers, and how it went."""
        options = self.options
        begun = self.canvas.start(options.variants, self.shape, options.generator)
        parameters = tuple(each.to(self.device).repeat(len(objectives), *[1] * (each.ndim - 1)) for each in begun)
        apart = self._where_to_differ(objectives)
        watcher = replace(self._watcher(objectives, apart, quick=options.compile), precision=self.precision)

        def picture() -> Tensor:
            return self.canvas.picture(parameters, self.shape)

        def values(step: int, rule: Rule | None) -> Tensor:
            pictures = picture()
            pictures.register_hook(importance.add)
            chance = torch.Generator().manual_seed(options.seed + STRIDE * (step + 1))
            return self._worth(objectives, apart, watcher(options.jitter(pictures, chance), rule), options.jitter.crops)

        rate = options.rate or self.canvas.rate
        climb = Climb(options.steps, rate, patience=options.patience, frames=options.frames)
        course = ascend(parameters, values, picture, climb, _doing(objectives))
        with torch.no_grad():
            return picture(), course

    def _by_recipe(self, objectives: Sequence[Objective], recipe: Multiscale) -> tuple[Tensor, Course]:
        """The pictures of the classic recipe, at the last of its sizes, and how the climbs went."""
        apart = self._where_to_differ(objectives)
        watcher = replace(self._watcher(objectives, apart), precision=self.precision)
        return draw_multiscale(
            lambda pictures, rule: self._worth(objectives, apart, watcher(pictures, rule), 1),
            len(objectives) * self.options.variants,
            self.shape[0],
            recipe,
            self.options.generator,
            self.device,
            _doing(objectives),
        )

    def _worth(
        self, objectives: Sequence[Objective], apart: Sequence[str], looked: Responses, crops: int
    ) -> Float[Tensor, " row"]:
        """The value of each variant of each objective, less what its likeness to the others costs."""
        variants, copies = self.options.variants, self.options.variants * crops
        found = []
        for number, (objective, layer) in enumerate(zip(objectives, apart, strict=True)):
            own = looked.rows(number * copies, (number + 1) * copies)
            value = objective.values(own).reshape(variants, -1).mean(1)
            if variants > 1:
                value = value - self.options.diversity * value.detach().abs() * likeness(own.maps[layer][::crops])
            found.append(value)
        return torch.cat(found)

    def _reached(self, objective: Objective, pictures: Tensor) -> Float[Tensor, " row"]:
        """The objective on finished pictures as they are saved (8 bit), undistorted, at the model's own size if any."""
        shown, size = rounded(pictures), self.own_size
        if size is not None and not objective.placed and tuple(shown.shape[2:]) != size:
            shown = interpolate(shown, size, mode="bilinear", align_corners=False, antialias=True)
        return objective.values(self._watcher([objective])(shown))

    def _drawing(
        self,
        objective: Objective,
        variant: int,
        picture: Tensor,
        reached: float,
        course: Course,
        alpha: Tensor | None,
    ) -> Drawing:
        return Drawing(
            name=objective.label if self.options.variants == 1 else f"{objective.label} ({variant + 1})",
            picture=picture.cpu(),
            curve=course.curve[:, 0],
            settings={"drawn": objective.label, "variant": variant, **self._settings()},
            value=reached,
            alpha=alpha,
            frames=tuple(frame[0] for frame in course.frames),
            notes=course.notes(),
        )

    def _settings(self) -> dict[str, Any]:
        """What is needed to make the pictures again."""
        untold = ("canvas", "batch_size", "compile")
        told = {name: value for name, value in asdict(self.options).items() if name not in untold}
        recipe = self.options.recipe
        how = {"canvas": "multiscale", "recipe": asdict(recipe)} if recipe else canvas_settings(self.canvas)
        return {
            "model": type(self.session.model).__name__,
            "preprocessing": self.studied.preprocessing.describe(),
            **told,
            **how,
            "size": [recipe.sizes[-1]] * 2 if recipe else list(self.shape[1:]),
            "rate": recipe.rate if recipe else self.options.rate or self.canvas.rate,
            "precision": str(self.precision).removeprefix("torch."),
        }

    def _where_to_differ(self, objectives: Sequence[Objective]) -> list[str]:
        """For each objective the layer in which its variants should differ."""
        if self.options.variants == 1:
            return [""] * len(objectives)
        last = self.studied.walk(self.studied.blank()).last
        return [each.layers[0] if each.layers else last for each in objectives]

    def _watcher(
        self,
        objectives: Sequence[Objective],
        extra: Sequence[str] = (),
        *,
        as_inputs: bool = False,
        quick: bool = False,
    ) -> ModelView:
        """What looks at pictures for these objectives; at model inputs instead, if asked to."""
        named = [layer for each in objectives for layer in each.layers] + [layer for layer in extra if layer]
        addresses = [parse(layer) for layer in dict.fromkeys(named)]
        outputs = any(each.outputs for each in objectives)
        compiled = Compiled(self.session.model, addresses, outputs) if quick else None
        return ModelView(self.session, addresses, outputs, _as_it_is if as_inputs else self.to_input, compiled=compiled)


def _as_it_is(inputs: Tensor) -> Tensor:
    return inputs


def _doing(objectives: Sequence[Objective]) -> str:
    return f"drawing {objectives[0].label}" + (f" and {len(objectives) - 1} more" if len(objectives) > 1 else "")
