"""
Grad-CAM in depth
=================

What a class activation map is, made by hand from one recording; then layers, targets, signs, and the methods
that grew from it.
"""

# sphinx_gallery_thumbnail_path = "gallery/map.webp"

import torch

import featuremaps as fm
from featuremaps import demo

scope = fm.load("demo-fixed")
pictures = {picture.name: picture for picture in demo.images()}
chosen = [pictures["scissors among clutter"], pictures["hammer among clutter"]]

# %%
# By hand
# -------
# A layer gives channels, each a map of the picture. The gradient of the class's score says how much each of
# them counts at each place. Grad-CAM takes the mean gradient of a channel as its weight, and adds the
# weighted channels up.

record = scope.record(chosen, "layer4", target="scissors")
weights = record.gradients["layer4"].mean((2, 3), keepdim=True)
by_hand = (weights * record.activations["layer4"]).sum(1)
heat = scope.explain(chosen, "grad_cam", layer="layer4", target="scissors")
torch.allclose(by_hand, heat.tensor, atol=1e-6)

# %%
# The map is small, as the layer is, and signed. What is drawn is its positive part, enlarged.

heat.tensor.shape, heat.tensor.min().item(), heat.tensor.max().item()

# %%

heat.figure()

# %%
# For and against
# ---------------
# Cutting the negative part off is a way of looking. With ``scaling="signed"`` both are shown: what speaks for
# the class, and what against it.

heat.figure(scaling="signed")

# %%
# Why this rather than that?
# --------------------------
# Most of a map for "scissors" may be a map for "some tool". A margin asks for the difference.

scope.explain(chosen, "grad_cam", target=fm.Margin("scissors", "hammer")).figure(scaling="signed")

# %%
# Which layer?
# ------------
# Deep layers know the class and are coarse; early ones are fine and know little of it. All of them come from
# one forward and one backward pass.

scope.compare(chosen[:1], ["grad_cam", "layer_cam", "hires_cam"], ["layer2", "layer3", "layer4"], "scissors").figure()

# %%
# Grad-CAM's mean gradient is a fair weight where the gradient is alike at all places: before global average
# pooling, which is where its authors used it. Earlier, LayerCAM and HiResCAM, which weight each place by its
# own gradient, are at home.
#
# The methods that grew from it
# -----------------------------
# Ablation-CAM takes each channel away instead of trusting the gradient; Score-CAM masks the picture by each.
# ``random_cam`` is the control: weights drawn by lot. A method that looks no better than this has shown the
# picture, not the model.

scope.compare(
    chosen[:1], ["grad_cam", "grad_cam_pp", "ablation_cam", "score_cam", "random_cam"], "layer4", "scissors"
).figure()

# %%
# Which of these to believe is not a matter of taste: a trial measures it, see :doc:`/evidence`.
