"""
Filters and receptive fields
============================

What the weights look like, how far a unit can see, and what it saw.
"""

# sphinx_gallery_thumbnail_path = "gallery/filters.webp"

import featuremaps as fm
from featuremaps import demo

scope = fm.load("demo-fixed")
pictures = demo.images()

# %%
# Every layer that runs
# ---------------------
# Found by running the model once. The receptive field is the part of the picture that one place of the layer
# can see at all; stride, how many pixels lie between two places.

scope.layers()

# %%
# The first filters
# -----------------
# Weights of a convolution on the picture's own colours can be looked at. Filters that are dead, or say the
# same as another, are marked.

filters = scope.filters("conv1")
filters.figure()

# %%

filters

# %%
# What a unit sees
# ----------------
# A unit is sent back to the pixels, in the pictures in which it is strongest, each cut to its receptive
# field. On the way back a rule says how a ReLU is passed: ``"deconvnet"``, ``"guided"`` or ``"gradient"``.

scope.project(pictures, "layer3:5", rule="guided", most=4).figure()

# %%
# Deeper, the receptive field is wider than the picture, and what the unit saw is nearly all of it:

scope.project(pictures, "layer4:14", rule="guided", most=4).figure()
