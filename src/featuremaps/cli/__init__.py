"""The command line: parse, call one verb, print or save. A file per group of commands; importing it registers them."""

from featuremaps.cli import explaining, looking, probing, drawing, surveying, classes, detecting, about  # isort: skip
from featuremaps.cli.app import app, main

__all__ = ["about", "app", "classes", "detecting", "drawing", "explaining", "looking", "main", "probing", "surveying"]
