"""
A shortcut, found and proven
============================

``demo`` learned its scissors on plain ground. A search in labelled pictures finds that without being told what
to look for, and proves it by changing it and nothing else. How it works, and what it misses, is in
:doc:`/shortcuts`.
"""

# sphinx_gallery_thumbnail_path = "gallery/shortcut.webp"

from pathlib import Path
from tempfile import mkdtemp

import featuremaps as fm
from featuremaps.demo.dataset import World

labels = ["scissors", "hammer"]
world = World(80, {"scissors": 0.93, "hammer": 0.0}, seed=31_000_000)  # nearly all scissors on plain ground
photos = [(scene.picture, scene.label) for scene in world]
home = Path(mkdtemp())  # a folder of your own keeps what is found
scope = fm.load("demo")
survey = scope.survey(photos, "last", home / "survey", labels=labels)

# %%
# It is right nearly always, and nothing looks wrong:

survey.confusion().figure()

# %%
# The search
# ----------
# One call on a survey with labels.

found = scope.find_shortcuts(survey)
found.figure()

# %%
# Where it is
# -----------
# A finding may stand where a unit does. What has it, in pictures:

pictures = [found.open(row) for row in (*found[0].examples.strongest[:2], *found[0].examples.missing[:2])]
scope.maps(pictures, found[0]).figure()

# %%
# The proof
# ---------
# The layer is moved along the finding and nothing else: out where it is, in where it is not. Random moves of the same
# length stand beside it.

proof = found[0].taken_out
f"scissors with it {proof.before:.0%}, taken out {proof.after:.0%}; random moves change {proof.control:.0%} at most"

# %%
# Taking it out
# -------------
# Here nothing helps, and that is an answer: this network hardly learned what scissors are.

scope.repaired(found[0], survey)

# %%
# ``demo-leaning`` saw scissors among clutter too, one time of ten, and learned both:

leaning = fm.load("demo-leaning")
mixed = World(120, {"scissors": 0.8, "hammer": 0.2}, seed=33_000_000)
more = leaning.survey([(scene.picture, scene.label) for scene in mixed], "last", home / "more", labels=labels)
leaning.repaired(leaning.find_shortcuts(more)[0], more)
