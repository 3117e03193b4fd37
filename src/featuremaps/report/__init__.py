"""A report: data that says what was found, and a viewer that shows it, written into one HTML file."""

from featuremaps.report.data import MethodNote, Provenance, Rejection, ReportData, Section
from featuremaps.report.explanations import ClassScore, Display, ExplainedPicture, Explanations, HeatmapData
from featuremaps.report.html import embed, render, write

__all__ = [
    "ClassScore",
    "Display",
    "ExplainedPicture",
    "Explanations",
    "HeatmapData",
    "MethodNote",
    "Provenance",
    "Rejection",
    "ReportData",
    "Section",
    "embed",
    "render",
    "write",
]
