"""Climbing in stages, from a small picture to larger ones: the stages one after the other, and their course as one."""

from collections.abc import Iterable

import torch
from torch import Tensor

from featuremaps.draw.ascent import Course, Stopped


def in_stages(stages: Iterable[tuple[Tensor, Course]]) -> tuple[Tensor, Course]:
    """The pictures of the last stage that was reached, and the course of all; each climbs when it is asked for.

    Ctrl-C and a value that is not finite end the whole climb with what is there. `Course.frames` may differ in size.
    """
    courses: list[Course] = []
    pictures: Tensor | None = None
    stopped: Stopped = "steps"
    try:
        for reached, course in stages:
            pictures = reached
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
        torch.stack([course.still for course in courses]).all(0),
        stopped,
        tuple(frame for course in courses for frame in course.frames),
    )
