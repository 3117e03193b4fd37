"""Pixel maps from one backward pass: the gradient at the picture, and what other ways back through a ReLU leave of it.

Every formula returns signed values (batch, colour, height, width).
"""

import torch

from featuremaps.errors import MethodError
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import LINEAR, Inputs, Maps, SpatialMaps


@method(
    paper="Simonyan et al. 2014, Deep inside convolutional networks, section 3.1", level="pixel", collapse="max_abs"
)
def saliency(input_gradients: Inputs) -> Inputs:
    """The gradient of the score at every pixel: where a small change matters."""
    return input_gradients


@method(paper="Shrikumar et al. 2016, Not just a black box, section 2", level="pixel")
def input_x_gradient(inputs: Inputs, input_gradients: Inputs) -> Inputs:
    """Input times gradient: what each pixel contributes if the model were linear there."""
    return inputs * input_gradients


@method(paper="Springenberg et al. 2015, Striving for simplicity, eq. 5", level="pixel", collapse="max_abs")
def guided_backprop(guided_input_gradients: Inputs) -> Inputs:
    """The gradient with every negative part cut at every ReLU: sharp, and mostly what the picture itself shows.

    It changes little with the class or the weights of the last layers (Adebayo et al. 2018), so it shows which
    details the network sees rather than why it decided.
    """
    return guided_input_gradients


@method(paper="Zeiler & Fergus 2014, Visualizing and understanding, section 2.1", level="pixel", collapse="max_abs")
def deconvnet(deconvnet_input_gradients: Inputs) -> Inputs:
    """The score sent back through a DeconvNet: every ReLU passes on what is positive coming from above.

    Batch norm passes its scale and no offset. Scaling for display is per picture.
    """
    return deconvnet_input_gradients


@method(paper="Selvaraju et al. 2017, Grad-CAM, section 3.2", level="pixel", collapse="max_abs")
def guided_grad_cam(spatial_activations: SpatialMaps, gradients: Maps, guided_input_gradients: Inputs) -> Inputs:
    """Guided backprop where Grad-CAM of the layer is positive: its details, for this class."""
    weights = gradients.mean((2, 3))[(...,) + (None,) * (spatial_activations.ndim - 2)]
    map = (weights * spatial_activations).sum(1, keepdim=True).relu()
    size = guided_input_gradients.shape[2:]
    if map.ndim != guided_input_gradients.ndim:
        raise MethodError(
            f"guided_grad_cam lays the layer's map over the model's input, and they have {map.ndim - 2} and {len(size)}"
            " axes beside the channels. Use guided_backprop or grad_cam alone."
        )
    enlarged = torch.nn.functional.interpolate(map, tuple(size), mode=LINEAR[len(size)], align_corners=False)
    return enlarged * guided_input_gradients
