"""The command line: parse, call one verb, print or save. A file per group of commands, loaded when one is asked for."""

from featuremaps.cli.app import app, main

__all__ = ["app", "main"]
