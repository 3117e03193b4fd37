"""Climbing in stages, from a small picture to larger ones: the stages one after the other, and their course as one."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from featuremaps.draw.ascent import Course, Stopped

Stage = Callable[[], tuple[Tensor, Course]]
"""Takes up what the stage before left, and returns the pictures it reached and how it went."""


def in_stages(stages: Iterable[Stage]) -> tuple[Tensor, Course]:
    """The pictures of the last stage that was reached, and the course of all.

    Ctrl-C and a value that is not finite end the whole climb with what is there. `Course.frames` may differ in size.
    """
    courses: list[Course] = []
    pictures: Tensor | None = None
    stopped: Stopped = "steps"
    try:
        for stage in stages:
            pictures, course = stage()
            courses.append(course)
            stopped = course.stopped
            if stopped in ("interrupted", "not finite"):
                break
    except KeyboardInterrupt:
        if pictures is None:
            raise
        stopped = "interrupted"
    assert pictures is not None
    return pictures, Course(
        torch.cat([course.curve for course in courses]),
        torch.stack([course.redirected for course in courses]).sum(0),
        stopped,
        tuple(frame for course in courses for frame in course.frames),
    )
