"""
Which explanation to believe
============================

Every method draws something. A trial takes away what a map points at and asks the model again, gives the
model random weights and looks whether the map notices, and sets every number beside chance. All that it can
say, and what it costs, is in :doc:`/evidence`.
"""

# sphinx_gallery_thumbnail_path = "gallery/evidence.webp"

import featuremaps as fm
from featuremaps.demo.world import scene

scope = fm.load("demo-fixed")
scenes = [scene(label, seed=9_500_000 + number) for number in range(4) for label in ("scissors", "hammer")]
pictures = [each.picture for each in scenes]

# %%
# Five drawings of one picture
# ----------------------------
# They do not agree. To the eye all are plausible.

methods = ["grad_cam", "layer_cam", "occlusion", "integrated_gradients", "guided_backprop"]
scope.compare(pictures[0], methods, "last").figure()

# %%
# The trial
# ---------
# Eight pictures are few, and the intervals say so: rows whose lines overlap cannot be told apart. The masks say
# where the tool is, for those measures that ask whether a map lies on it.

trial = scope.trial(pictures, methods, ["last"], masks=[each.mask for each in scenes])
trial.figure()

# %%
# In words:

trial.conclusion

# %%
# A method that fails a sanity check is put last, whatever its rank: its map hardly changes where the weights of
# the model are drawn by lot, so it shows the picture rather than the model.

{method: trial.failed((method, layer)) for method, layer in trial.order}

# %%
# Do two measures agree on the order? Kendall's τ, 1 where they do, with its interval:

agreement = trial.agreement("insertion", "sufficiency")
f"{agreement.mean:.2f}, {agreement.low:.2f} to {agreement.high:.2f}"

# %%
# The best one, asked for by that name
# ------------------------------------

scope.explain(pictures[:2], "best", layer="best", trial=trial).figure()
