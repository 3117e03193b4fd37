"""The command line: parse, call one verb, print or save. A file per group of commands; importing it registers them."""

from featuremaps.cli import explaining, looking, probing, drawing, about  # isort: skip
from featuremaps.cli.app import app, main

__all__ = ["about", "app", "drawing", "explaining", "looking", "main", "probing"]
