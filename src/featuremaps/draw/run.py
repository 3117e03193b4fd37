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
from featuremaps.draw.canvas import canvas_settings, find_canvas
from featuremaps.draw.drawing import Drawing, Real
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.maco import MacoCanvas, importance
from featuremaps.draw.model_view import Compiled, ModelView, Responses, quick_precision, to_input
from featuremaps.draw.multiscale import Multiscale, draw_multiscale
from featuremaps.draw.objective import Channel, Ground, Objective, likeness
from featuremaps.draw.options import DrawOptions
from featuremaps.draw.start_picture import rounded, start_numbers
from featuremaps.layers.addresses import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import seen_outputs
from featuremaps.pictures.seen import Seen
from featuremaps.rules import Rule
from featuremaps.runtime.capture import device_of, to_model
from featuremaps.runtime.run_errors import out_of_memory
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
        self.blank, self.shape = blank, options.shape(blank)
        self.own_size = studied.preprocessing.own_size
        self.device = device_of(session.model)
        named = options.precision
        self.precision = quick_precision(self.device) if named == "auto" else getattr(torch, named)
        self.to_input = to_input(studied.preprocessing, self.shape[0])

    def grounded(self, objectives: Sequence[Objective]) -> list[Objective]:
        """The objectives, checked against what the model makes of a grey picture of the size to be drawn."""
        grey = torch.full((1, *self.shape), 0.5, device=self.device, dtype=torch.float32)
        looked = self._view(objectives)(grey)
        classes = seen_outputs(
            self.session, to_model(self.session.model, self.blank), looked.outputs, self.studied.class_outputs
        )
        ground = Ground(looked, classes, self._view_of_inputs(objectives))
        return [each.grounded(ground) for each in objectives]

    def best_real(self, objectives: Sequence[Objective], real: Sequence[Seen] | Known) -> Sequence[Real | None]:
        """For each objective the best of some real pictures, or the one known already; None where there is none."""
        if not isinstance(real, Sequence):
            return [real(each.layer, each.channel) if isinstance(each, Channel) else None for each in objectives]
        if not real:
            return [None] * len(objectives)
        view = self._view_of_inputs(objectives)

        def values(inputs: Tensor) -> Tensor:
            looked = view(inputs)
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
        variants, recipe = self.options.variants, self.options.recipe
        returned: list[Tensor] = []
        if recipe is None:
            pictures, course = self._on_canvas(objectives, returned)
        else:
            pictures, course = self._by_recipe(objectives, recipe)
        transparent = isinstance(self.canvas, MacoCanvas) if self.options.alpha is None else self.options.alpha
        settings, drawings = self._settings(), list[list[Drawing]]()
        for i, objective in enumerate(objectives):
            rows = range(i * variants, (i + 1) * variants)
            with torch.no_grad():
                reached = self._reached(objective, pictures[rows.start : rows.stop])
            drawings.append([])
            for variant, row in enumerate(rows):
                name = objective.label if variants == 1 else f"{objective.label} ({variant + 1})"
                told = {"drawn": objective.label, "variant": variant, **settings}
                alpha = importance(returned[0][row].float().cpu()) if transparent and recipe is None else None
                drawings[-1].append(
                    course.drawing(row, name, pictures[row], told, float(reached[variant]), alpha=alpha)
                )
        return drawings

    def _on_canvas(self, objectives: Sequence[Objective], returned: list[Tensor]) -> tuple[Tensor, Course]:
        """The pictures of a climb of the canvas's numbers, and how it went.

        `returned` is given the magnitudes of the gradients that came back, summed over steps and colours.
        """
        options = self.options
        numbers = start_numbers(self.canvas, options.variants, self.shape, options.generator, self.session.model)
        parameters = tuple(each.repeat(len(objectives), *[1] * (each.ndim - 1)) for each in numbers)
        apart = self._where_to_differ(objectives)
        view = replace(self._view(objectives, apart), precision=self.precision)
        if options.compile:
            view = replace(view, compiled=Compiled(self.session.model, view.layers, view.outputs))

        def picture() -> Tensor:
            return self.canvas.picture(parameters, self.shape)

        def note(gradient: Tensor) -> None:
            now = gradient.detach().abs().sum(1)
            returned[:] = [returned[0] + now if returned else now]

        def values(step: int, rule: Rule | None) -> Tensor:
            pictures = picture()
            pictures.register_hook(note)
            chance = torch.Generator().manual_seed(options.seed + STRIDE * (step + 1))
            return self._worth(objectives, apart, view(options.jitter(pictures, chance), rule), options.jitter.crops)

        rate = options.rate or self.canvas.rate
        climb = Climb(options.steps, rate, patience=options.patience, frames=options.frames)
        course = ascend(parameters, values, picture, climb, _doing(objectives))
        with torch.no_grad():
            return picture(), course

    def _by_recipe(self, objectives: Sequence[Objective], recipe: Multiscale) -> tuple[Tensor, Course]:
        """The pictures of the classic recipe, at the last of its sizes, and how the climbs went."""
        apart = self._where_to_differ(objectives)
        view = replace(self._view(objectives, apart), precision=self.precision)
        return draw_multiscale(
            lambda pictures, rule: self._worth(objectives, apart, view(pictures, rule), 1),
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
        worths = []
        for number, (objective, layer) in enumerate(zip(objectives, apart, strict=True)):
            rows = looked.rows(number * copies, (number + 1) * copies)
            value = objective.values(rows).reshape(variants, -1).mean(1)
            if variants > 1:
                value = value - self.options.diversity * value.detach().abs() * likeness(rows.maps[layer][::crops])
            worths.append(value)
        return torch.cat(worths)

    def _reached(self, objective: Objective, pictures: Tensor) -> Float[Tensor, " row"]:
        """The objective on finished pictures as they are saved (8 bit), undistorted, at the model's own size if any."""
        shown, size = rounded(pictures), self.own_size
        if size is not None and not objective.placed and tuple(shown.shape[2:]) != size:
            shown = interpolate(shown, size, mode="bilinear", align_corners=False, antialias=True)
        return objective.values(self._view([objective])(shown))

    def _settings(self) -> dict[str, Any]:
        """What is needed to make the pictures again."""
        recipe = self.options.recipe
        untold = ("canvas", "batch_size", "compile", *(("jitter", "patience", "alpha") if recipe else ()))
        told = {name: value for name, value in asdict(self.options).items() if name not in untold}
        how = {"canvas": "multiscale", "recipe": asdict(recipe)} if recipe else canvas_settings(self.canvas)
        return {
            "model": type(self.session.model).__name__,
            "preprocessing": self.studied.preprocessing.describe(),
            **told,
            **how,
            "steps": recipe.steps * recipe.times if recipe else self.options.steps,
            "size": [recipe.sizes[-1]] * 2 if recipe else list(self.shape[1:]),
            "rate": recipe.rate if recipe else self.options.rate or self.canvas.rate,
            "precision": str(self.precision).removeprefix("torch."),
        }

    def _where_to_differ(self, objectives: Sequence[Objective]) -> list[str]:
        """For each objective the layer in which its variants should differ."""
        if self.options.variants == 1:
            return [""] * len(objectives)
        last = self.studied.walk(self.blank).last
        return [each.layers[0] if each.layers else last for each in objectives]

    def _view(self, objectives: Sequence[Objective], extra: Sequence[str] = ()) -> ModelView:
        """What looks at pictures for these objectives."""
        named = [layer for each in objectives for layer in each.layers] + [layer for layer in extra if layer]
        addresses = [parse(layer) for layer in dict.fromkeys(named)]
        return ModelView(self.session, addresses, any(each.outputs for each in objectives), self.to_input)

    def _view_of_inputs(self, objectives: Sequence[Objective]) -> ModelView:
        """What looks at the model's own inputs for these objectives."""
        return replace(self._view(objectives), to_input=lambda inputs: inputs)


def _doing(objectives: Sequence[Objective]) -> str:
    return f"drawing {objectives[0].label}" + (f" and {len(objectives) - 1} more" if len(objectives) > 1 else "")
