"""
Drawing what a unit looks for
=============================

A picture is drawn from noise until a channel, a neuron or a class is as strong as it gets. What was measured
of drawings is in :doc:`/drawing`.
"""

# sphinx_gallery_thumbnail_path = "gallery/drawing.webp"

import featuremaps as fm
from featuremaps import demo

scope = fm.load("demo-fixed")
pictures = demo.images()

# %%
# Channels of a layer, beside the best real pictures. The numbers say how strongly each drives the unit.

scope.draw(["layer3:5", "layer3:20", "layer4:14"], steps=96, real=pictures).figure()

# %%
# A class, the difference of two, and the picture that silences a channel:

scope.draw(["scissors", "scissors - hammer", "-layer4:14"], steps=96).figure()

# %%
# Several different answers to the same question: a channel that has two kinds of pictures shows both.

scope.draw("layer4:14", steps=96, variants=3).figure()

# %%
# What a layer sees in a picture, made stronger:

scope.dream(pictures[0], "layer3", octaves=2).figure()
