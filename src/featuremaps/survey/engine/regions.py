"""What a pass keeps of the regions in a batch: which there are, and what each layer's maps are in their places."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.layers import LayerInfo
from featuremaps.layers.known import known_layers
from featuremaps.options import Each
from featuremaps.outputs.class_outputs import ClassOutputs, seen_outputs
from featuremaps.outputs.found_regions import FoundRegions, boxes_found, classes_found
from featuremaps.outputs.region_places import cells_of
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session
from featuremaps.survey.storage.pooled import Pooled, pool_inside
from featuremaps.survey.storage.shard_result import MOST_REGIONS

Infos = Mapping[str, LayerInfo]


def layers_for(session: Session, layers: Sequence[str], inputs: Tensor) -> Infos:
    """What is known of these layers for inputs of this size, on which the model is run where it was not yet."""
    with run_on(session.model, inputs):
        known = known_layers(session.model, inputs, session.layout)
    return {layer: known[layer] for layer in layers}


def regions_found(
    session: Session, inputs: Tensor, outputs: object, classes: ClassOutputs, each: Each, shape: tuple[int, ...]
) -> list[FoundRegions]:
    """The boxes, or the classes' regions, of each picture of a batch; `classes` are as read for inputs of `shape`."""
    size = (inputs.shape[2], inputs.shape[3])
    if tuple(inputs.shape[1:]) != shape:
        read = seen_outputs(session, inputs, outputs, classes)
        classes = replace(classes, space=read.space, uncovered=read.uncovered)
    found = boxes_found(outputs, classes, size) if each == "box" else classes_found(outputs, classes, len(inputs), size)
    most = max(len(of_picture.regions) for of_picture in found)
    if most > MOST_REGIONS:
        raise OptionError(
            f"the model finds {most - 1:,} things in one picture with a score of {classes.threshold:g} or more, and a "
            f"survey numbers up to {MOST_REGIONS - 1:,}: give a higher threshold=."
        )
    return found


def pooled_inside(maps: Tensor, found: Sequence[FoundRegions], info: LayerInfo, size: tuple[int, int]) -> Pooled:
    """The maps (batch, channel, height, width) of a layer in each region of each picture, for inputs of `size`."""
    cells = cells_of((maps.shape[2], maps.shape[3]), size, info.stride, info.start)
    members = torch.cat([of_picture.members(cells) for of_picture in found])
    pictures = [picture for picture, of_picture in enumerate(found) for _ in of_picture.regions]
    return pool_inside(maps, torch.tensor(pictures, dtype=torch.long, device="cpu"), members)
