"""The command line: parse, call one verb, print or save. A file per group of commands; importing it registers them."""

from featuremaps.cli import (
    concept,
    detect,
    draw,
    explain,
    inspect,
    methods,
    project,
    shortcuts,
    survey,
    survey_questions,
    trial,
)  # isort: skip
from featuremaps.cli.app import app, main

__all__ = [
    "app",
    "concept",
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
