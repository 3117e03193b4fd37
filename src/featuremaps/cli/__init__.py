"""The command line: parse, call one verb, print or save. A file per group of commands; importing it registers them."""

from featuremaps.cli import explain, trial, shortcuts, inspect, project, draw, survey, survey_questions, detect, methods  # isort: skip
from featuremaps.cli.app import app, main

__all__ = [
    "app",
    "detect",
    "draw",
    "explain",
    "inspect",
    "main",
    "methods",
    "project",
    "shortcuts",
    "survey",
    "survey_questions",
    "trial",
]
