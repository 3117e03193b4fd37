"""Climbing: the loop that changes a canvas until what is asked of its pictures is as high as it gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.draw.canvas import Canvas, Rows, Shape
from featuremaps.draw.choices import Optimizer
from featuremaps.draw.drawing import Drawing, Goal
from featuremaps.errors import ModelError, OptionError, check_choice, check_least
from featuremaps.progress import track
from featuremaps.rules import Redirected, Rule
from featuremaps.runtime.gradient import sent_back

Stopped = Literal["steps", "converged", "interrupted", "not finite"]
ValuesAtStep = Callable[[int, Rule | None], Float[Tensor, " row"]]

GAIN = 1e-3
"""A climb has converged when no row gains this share of its value from one stretch of `patience` steps to the next."""

RISE = 0.05
"""The share of the steps in which the step size grows from nothing."""

LOOKS = 20
"""How many values the line search of one step of L-BFGS may ask for."""


@dataclass(frozen=True, eq=False)
class Course:
    """How a climb went: the value of every row at every step, pictures of the way, why it ended.

    `redirected` counts, for each row, the steps in which its gradient was led around dead ReLUs; `still` are
    the rows that never had one.
    """

    curve: Float[Tensor, "step row"]
    redirected: Float[Tensor, " row"]
    still: Bool[Tensor, " row"]
    stopped: Stopped
    frames: tuple[Tensor, ...] = field(default=(), repr=False)

    def notes(self, row: int = 0) -> tuple[str, ...]:
        """What a reader must know about one row."""
        steps, led = len(self.curve), int(self.redirected[row])
        notes = []
        if led:
            notes.append(f"the gradient was led around dead ReLUs in {led} of {steps} steps")
        if bool(self.still[row]):
            notes.append(
                f"no gradient came back in any of {steps} steps: nothing in the picture changes the value, and this is "
                "what was begun with"
            )
        if self.stopped == "interrupted":
            notes.append(f"stopped by hand after {steps} steps")
        if self.stopped == "not finite":
            notes.append(f"the value was no longer finite after {steps} steps; this is the picture before that")
        if self.stopped == "converged":
            notes.append(f"converged after {steps} steps")
        return tuple(notes)

    def drawing(
        self,
        row: int,
        name: str,
        picture: Float[Tensor, "channel height width"],
        settings: Mapping[str, object],
        value: float,
        goal: Goal = "maximised",
        notes: Sequence[str] = (),
        alpha: Float[Tensor, "height width"] | None = None,
    ) -> Drawing:
        """The drawing that one row has become, with its curve, the way there, and these notes after the climb's own."""
        frames = tuple(frame[row] for frame in self.frames)
        curve = self.curve[:, row] if goal == "maximised" else -self.curve[:, row]
        notes = (*self.notes(row), *notes)
        return Drawing(name, picture.cpu(), curve, settings, value, None, goal, alpha, frames, notes)


@dataclass(frozen=True)
class Climb:
    """How to climb: `steps` of at most `rate`, ended early when `patience` steps bring no gain (None: never).

    `optimizer` is "adam", "lbfgs", or "gradient": the gradient of each row divided by its mean magnitude. Steps shrink
    towards the end unless they are `steady`. What is kept is the picture of the last step, or of the "best".
    `redirect` leads around dead ReLUs. `frames` pictures of the way are kept.
    """

    steps: int = 128
    rate: float = 0.05
    optimizer: Optimizer = "adam"
    patience: int | None = 64
    keep: Literal["last", "best"] = "last"
    redirect: bool = True
    frames: int = 0
    steady: bool = False

    def __post_init__(self) -> None:
        check_least("steps", self.steps, "how often the picture is changed")
        if self.rate <= 0:
            raise OptionError(f"rate is the size of a step, above 0; got {self.rate}.")
        check_choice("optimizer", self.optimizer, get_args(Optimizer))

    def share(self, step: int) -> float:
        """How large a step is, as a share of `rate`: rising at first, then falling along a cosine, unless steady."""
        if self.steady:
            return 1.0
        rise = max(1, round(RISE * self.steps))
        if step < rise:
            return (step + 1) / rise
        fallen = torch.tensor(torch.pi * (step - rise) / max(1, self.steps - rise), device="cpu")
        return float(0.55 + 0.45 * fallen.cos())


def ascend(
    parameters: Sequence[Tensor],
    values: ValuesAtStep,
    picture: Callable[[], Tensor],
    how: Climb,
    doing: str = "drawing",
) -> Course:
    """Change `parameters`, in place, until `values` (one per row) are as high as they get.

    `values(step, rule)` looks at the pictures of the parameters, by way of a backward rule if one is given: a row
    whose gradient is zero is led around dead ReLUs. Ctrl-C ends the climb and keeps what is there; so does a value
    that is not finite. `ModelError` where the first values already are not, or nothing leads back to the parameters.
    """
    climb = _Ascent(list(parameters), values, picture, how)
    for parameter in parameters:
        parameter.requires_grad_()
    try:
        stopped = climb.all_steps(doing)
    except KeyboardInterrupt:
        if not climb.curve:
            raise
        stopped = "interrupted"
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)
    climb.return_to_best()
    curve, redirected, still = torch.stack(climb.curve).cpu(), climb.redirected.cpu(), climb.still.cpu()
    return Course(curve, redirected, still, stopped, tuple(climb.frames))


def climb_canvas(
    canvas: Canvas,
    parameters: tuple[Tensor, ...],
    shape: Shape,
    worth: Callable[[Rows, Rule | None], Float[Tensor, " row"]],
    how: Climb,
    doing: str,
) -> tuple[Rows, Course]:
    """The pictures of a canvas whose numbers were changed until each is worth as much as it gets, and how that went."""

    def picture() -> Rows:
        return canvas.picture(parameters, shape)

    course = ascend(parameters, lambda step, rule: worth(picture(), rule), picture, how, doing)
    with torch.no_grad():
        return picture(), course


class _Gradient(torch.optim.Optimizer):
    """Steps along the gradient, divided by its mean magnitude in each row, so that all rows move equally far."""

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every parameter."""
        for group in self.param_groups:
            for parameter in group["params"]:
                size = parameter.grad.abs().flatten(1).mean(1).clamp(min=torch.finfo(parameter.dtype).tiny)
                parameter -= group["lr"] * parameter.grad / size.reshape(-1, *[1] * (parameter.ndim - 1))


def _moved(gradients: Sequence[Tensor]) -> Tensor:
    """Which rows have any gradient that is not zero."""
    return torch.stack([gradient.flatten(1).any(1) for gradient in gradients]).any(0)


def _chosen(rows: Tensor, these: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    """The first tensors in some rows, the second in all others."""
    pairs = zip(these, others, strict=True)
    return [torch.where(rows.reshape(-1, *[1] * (this.ndim - 1)), this, other) for this, other in pairs]


class _NotFiniteError(Exception):
    """Ends a climb at a value or gradient that is not finite."""


class _Ascent:
    """A climb under way."""

    def __init__(
        self, parameters: list[Tensor], values: ValuesAtStep, picture: Callable[[], Tensor], how: Climb
    ) -> None:
        self.parameters, self.values, self.picture, self.how = parameters, values, picture, how
        self.step = 0
        self.curve: list[Tensor] = []
        self.frames: list[Tensor] = []
        self.redirected = parameters[0].new_zeros(len(parameters[0]))
        self.still = torch.ones_like(self.redirected, dtype=torch.bool)
        self.best: tuple[Tensor, list[Tensor]] | None = None

    def all_steps(self, doing: str) -> Stopped:
        """Every step there is to take; why they ended."""
        take = self._lbfgs() if self.how.optimizer == "lbfgs" else self._by_rate()
        try:
            for step in track(range(self.how.steps), lambda: self._said(doing)):
                self.step = step
                take()
                if self._converged():
                    return "converged"
        except _NotFiniteError:
            return "not finite"
        return "steps"

    def _by_rate(self) -> Callable[[], None]:
        """A step of Adam or along the gradient, of the size that `Climb.share` says."""
        kind = partial(torch.optim.Adam, fused=True) if self.how.optimizer == "adam" else _Gradient
        optimizer = kind(self.parameters, self.how.rate)

        def take() -> None:
            self.measure()
            self._keep_frame()
            optimizer.param_groups[0]["lr"] = self.how.rate * self.how.share(self.step)
            optimizer.step()

        return take

    def _lbfgs(self) -> Callable[[], None]:
        """A step of L-BFGS with a line search; a row has no say in another's only where there is a single one."""
        # Its own tolerances would end it at once where values are small, as means over pixels are, and its line search
        # gets no look at all where a step is one iteration, unless it is told how many.
        kind = partial(torch.optim.LBFGS, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")
        optimizer = kind(self.parameters, max_iter=1, max_eval=LOOKS)

        def take() -> None:
            begun, led = len(self.curve), self.redirected.clone()
            optimizer.step(lambda: -self.measure().sum())
            del self.curve[begun + 1 :]  # what the line search tried is not a step
            self.redirected = led + (self.redirected > led)
            self._keep_frame()

        return take

    def measure(self) -> Tensor:
        """The values of all rows now; their gradients go where optimisers look, with the sign that climbs."""
        values, gradients = self._gradients(None)
        dead = ~_moved(gradients)
        if bool(dead.any()) and self.how.redirect:
            values, around = self._gradients(Redirected())
            gradients = _chosen(dead, around, gradients)
            self.redirected += dead & _moved(around)
        self.still &= ~_moved(gradients)
        self._check_finite(values, gradients)
        self.curve.append(values)
        self._note_best(values)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = -gradient
        return values

    def return_to_best(self) -> None:
        """Make the parameters what they were where each row was highest, if that is asked for."""
        for parameter, best in zip(self.parameters, self.best[1] if self.best else (), strict=False):
            parameter.data.copy_(best)

    def _gradients(self, rule: Rule | None) -> tuple[Tensor, Sequence[Tensor]]:
        values = self.values(self.step, rule)
        gradients: Sequence[Tensor | None] = [None]
        if values.requires_grad:
            gradients = sent_back(values.sum(), self.parameters)
        if all(gradient is None for gradient in gradients):
            raise ModelError(
                "what is to be drawn has no gradient: nothing leads from it back to the picture. The model rounds, "
                "is quantised, or runs under its own no_grad or through a checkpoint with "
                "use_reentrant=True; draw with its float weights."
            )
        pairs = zip(gradients, self.parameters, strict=True)
        return values.detach(), [torch.zeros_like(numbers) if slope is None else slope for slope, numbers in pairs]

    def _check_finite(self, values: Tensor, gradients: Sequence[Tensor]) -> None:
        if bool(torch.stack([each.sum() for each in (values, *gradients)]).isfinite().all()):
            return
        if not self.curve:
            raise ModelError(
                "what is to be drawn is not finite from the start. Look for NaN in the weights, or an overflow in half "
                "precision: draw with the model in float32."
            )
        raise _NotFiniteError

    def _note_best(self, values: Tensor) -> None:
        if self.how.keep != "best":
            return
        now = [parameter.detach() for parameter in self.parameters]
        if self.best is None:
            self.best = values, [each.clone() for each in now]
            return
        best, kept = self.best
        better = values > best
        self.best = torch.where(better, values, best), _chosen(better, now, kept)

    def _keep_frame(self) -> None:
        if self.how.frames and self.step % max(1, -(-self.how.steps // self.how.frames)) == 0:
            with torch.no_grad():
                self.frames.append((self.picture() * 255).round().to(torch.uint8).cpu())

    def _converged(self) -> bool:
        stretch, done = self.how.patience, len(self.curve)
        if stretch is None or done < 2 * stretch or done % max(1, stretch // 4):
            return False
        recent = torch.stack(self.curve[-2 * stretch :]).reshape(2, stretch, -1).mean(1)
        return bool((recent[1] - recent[0] <= GAIN * recent[1].abs()).all())

    def _said(self, doing: str) -> str:
        values = self.curve[-1].tolist() if self.curve else []
        return doing if not values else f"{doing}, now {', '.join(f'{value:.3g}' for value in values[:4])}"
