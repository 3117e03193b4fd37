"""
The five classic questions
==========================

What does a layer make of a picture? What is a channel looking for? Which part decided the class? Which
channels does each class use? Can a few of them do the model's work? One call each.
"""

# sphinx_gallery_thumbnail_path = "gallery/walk.webp"

from pathlib import Path
from tempfile import mkdtemp

import featuremaps as fm
from featuremaps import demo
from featuremaps.demo.dataset import World

home = Path(mkdtemp())  # a folder of your own keeps what is found
scope = fm.load("demo-fixed")
pictures = {picture.name: picture for picture in demo.images()}
scissors = pictures["scissors among clutter"]
scope.predict(scissors, top=3)

# %%
# 1. What does each layer make of the picture?
# --------------------------------------------
# From layer to layer the maps get coarser and more of them are zero: early layers answer to edges and colours
# everywhere, late ones to few things in few places.

scope.maps(scissors, "all").figure(most=8)

# %%
# The strongest channels of one layer, over the picture:

scope.maps(scissors, "layer4").top(8).figure()

# %%
# 2. What is a channel looking for?
# ---------------------------------
# First where it is strongest in real pictures, cut to what it can see of them. Then drawn from noise, beside
# the best real picture: both numbers say how far each drives it.

scope.project(list(pictures.values()), "layer4:14", most=4).figure()

# %%

scope.draw("layer4:14", steps=64, real=list(pictures.values())).figure()

# %%
# 3. Which part of the picture decided this class?
# ------------------------------------------------
# The network that was taught with scissors on plain ground beside the one that was not. Both may say
# "scissors".

plain = pictures["something else on plain ground"]
fm.load("demo").explain([scissors, plain], "grad_cam", target="scissors").figure()

# %%

scope.explain([scissors, plain], "grad_cam", target="scissors").figure()

# %%
# 4. Which channels does each class use?
# --------------------------------------
# A survey runs a dataset through the model once. For each class, the channels that are most often among the
# strongest of its pictures, and of no other class's: bright on the diagonal means that they are its own.

labels = ["scissors", "hammer", "neither"]
world = World(24, dict.fromkeys(labels, 0.5))
survey = scope.survey([(scene.picture, scene.label) for scene in world], "layer4", home / "photos", labels=labels)
survey.specialists().figure()

# %%
# 5. Can a few channels do the model's work?
# ------------------------------------------
# A detector sums the channels that separate a class, stops at their layer, and has a threshold. It is tested
# on pictures of another kind: X-rays.

detector = survey.detector("scissors", threshold={"false_alarm": 0.1})
xrays = World(24, dict.fromkeys(labels, 0.5), "xray")
tested = detector.test(scope.survey([(s.picture, s.label) for s in xrays], "layer4", home / "xrays", labels=labels))
tested.figure()

# %%
# In words:

tested
