"""What a measure may name as its parameters. `Examination` supplies each, of one method's heatmaps of some pictures."""

NEEDS: dict[str, str] = {
    "heatmap": "One method's maps (batch, *space), raw and signed, enlarged to the size of the inputs.",
    "inputs": "The preprocessed pictures (batch, colour, *space), as the model received them.",
    "score": "A function from new inputs (batch·k, …), picture by picture, to target scores (batch·k,).",
    "probability": "Like `score`, but the probability of the target's class; the score where the target is no class.",
    "curve": "A function (order, fill, steps) to the probability while places are taken out in the heatmap's order.",
    "masks": "Where the object is that the target names: (batch, *space), true inside.",
    "explain_again": "A function from new inputs (batch·k, …), picture by picture, to heatmaps of the same target.",
    "explain_seeded": "A function from a seed to the heatmaps (batch, *space) made with it.",
    "explain_class": "A function from a class index for each picture (batch,) to the heatmaps of those classes.",
    "explain_randomised": "A function from 'cascading' or 'single' to pairs of a layer and the heatmaps of the model "
    "with random weights from its output down to this layer, or in this layer alone.",
    "random_label_heatmap": "Heatmaps (batch, *space) of the same pictures and classes by a model of the same "
    "architecture that was trained on shuffled labels.",
    "mosaic": "Heatmaps (batch, *space) of mosaics of pictures, each for the class of the picture in one cell.",
    "cells": "The cell of each mosaic that holds this picture: (batch, *space), true inside.",
    "target": "The class index being explained, per picture (batch,).",
    "classes": "How many classes the model has.",
    "generator": "Seeded randomness on the CPU, the same for every picture, whatever the batch.",
}
"""Every name, and what it is."""
