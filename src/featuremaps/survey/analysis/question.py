"""The register of questions: what a survey can be asked, by name."""

from collections.abc import Callable
from typing import Any, TypeVar

from featuremaps.registry import Registry

Question = TypeVar("Question", bound=Callable[..., Any])

QUESTIONS: Registry[Callable[..., Any]] = Registry("question", "featuremaps.survey.analysis")
"""Every question of this folder, and those that users register: each is a verb of every survey."""


def question(function: Question) -> Question:
    """Register a function of a survey under its own name: `survey.name(…)` calls it with the survey first.

    Raises `OptionError` when the name is taken or there is no docstring.
    """
    QUESTIONS.add(function.__name__, function, function)
    return function
