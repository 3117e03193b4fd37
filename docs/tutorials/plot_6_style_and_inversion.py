"""
Inversion and style
===================

What a layer remembers of a picture, and one picture in the style of another.
"""

import featuremaps as fm
from featuremaps import demo

scope = fm.load("demo-fixed")
pictures = {picture.name: picture for picture in demo.images()}
scissors = pictures["scissors among clutter"]

# %%
# Inversion
# ---------
# A picture is drawn until a layer takes it for the original. What comes back is what the layer has kept; what
# is missing, it has forgotten. Early layers keep nearly all, late ones the kind of thing and roughly where.

scope.invert(scissors, ["layer1", "layer2", "layer3", "layer4"], steps=128).figure()

# %%
# Style
# -----
# The things of one picture, in the colours and textures of another: an X-ray's.

scope.stylize(scissors, pictures["hammer among clutter, X-ray"], steps=48).figure()
