"""
A survey of a dataset
=====================

One pass over labelled pictures; then questions, without the model. The long version, with the command line
and what is kept on disk, is :doc:`/surveys`.
"""

# sphinx_gallery_thumbnail_path = "gallery/specialists.webp"

from pathlib import Path
from tempfile import mkdtemp

import featuremaps as fm
from featuremaps.demo.dataset import World

scope = fm.load("demo-fixed")
labels = ["scissors", "hammer", "neither"]
photos = [(scene.picture, scene.label) for scene in World(30, dict.fromkeys(labels, 0.5))]
home = Path(mkdtemp())  # a folder of your own keeps the survey, and goes on with one that was stopped
survey = scope.survey(photos, "layer4", home / "photos", labels=labels)
survey

# %%
# How often is it right, and where is it wrong?

survey.confusion()

# %%
# Which channels tell a class from the rest? The area under the ROC curve (AUROC) is 1 where a channel tells them
# apart without fault and 0.5 where chance would do as well; the bars are 95 % intervals.

separation = survey.separation()
separation.figure(n=5)

# %%
# The best channel for scissors in its strongest pictures: what it sees of each, where that is, and its map.

unit = separation.best("scissors", 1)[0].unit
survey.top_pictures(unit, 4, maps=True).figure()

# %%
# Are the channels of a class its own? Their sum in every picture of every class.

survey.sums().figure()
