"""A report: data that says what was found, and a viewer that shows it, written into one HTML file."""

from featuremaps.report.channels import BrowsedLayer, BrowsedPicture, ChannelsSection
from featuremaps.report.data import MethodNote, Provenance, Rejection, ReportData, Section
from featuremaps.report.explanations import ClassScore, Display, ExplainedPicture, Explanations, HeatmapData
from featuremaps.report.filters import FiltersSection, FilterTile
from featuremaps.report.html import embed, render, write
from featuremaps.report.layer_walk import LayerWalkSection, TopMap, WalkedLayer, WalkedPicture
from featuremaps.report.patterns import Pattern, PatternsSection, Shown

__all__ = [
    "BrowsedLayer",
    "BrowsedPicture",
    "ChannelsSection",
    "ClassScore",
    "Display",
    "ExplainedPicture",
    "Explanations",
    "FilterTile",
    "FiltersSection",
    "HeatmapData",
    "LayerWalkSection",
    "MethodNote",
    "Pattern",
    "PatternsSection",
    "Provenance",
    "Rejection",
    "ReportData",
    "Section",
    "Shown",
    "TopMap",
    "WalkedLayer",
    "WalkedPicture",
    "embed",
    "render",
    "write",
]
