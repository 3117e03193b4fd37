"""Looking at a batch of pictures as it runs: what early layers say, what the answers rest on, and the answers."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from featuremaps.layers.addresses import parse
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.runtime.stream import stream
from featuremaps.runtime.warnings import misplaced, unsteady
from featuremaps.session import Session
from featuremaps.shortcuts.simple_values import further_values
from featuremaps.survey.storage.pooled import pool
from featuremaps.tail import Tail
from featuremaps.targets.targets import Logit


class Watched:
    """What was seen of the pictures so far, batch by batch, and of which."""

    def __init__(
        self,
        classes: ClassOutputs,
        layer: str,
        added: Sequence[str],
        early: Sequence[str],
        outputs: Int[Tensor, " class"],
    ) -> None:
        self._classes, self._layer, self._added, self._outputs = classes, layer, added, outputs
        self._early = early
        self.parts: dict[str, list[np.ndarray]] = {}
        self.places: list[np.ndarray] = []
        self.seen: list[bytes] = []
        self.doubts: dict[str, None] = {}

    def look(
        self,
        session: Session,
        inputs: Tensor,
        labels: Int[np.ndarray, " batch"],
        places: Int[np.ndarray, " batch"],
    ) -> None:
        """Run a batch: the layers that are not in the survey, then the layer with its gradient, and the answers."""
        self.seen += [blake2b(each.contiguous().view(torch.uint8).numpy().tobytes()).digest() for each in inputs.cpu()]
        inputs = to_model(session.model, inputs)
        pooled: dict[str, Tensor] = {}

        def look(layer: str, maps: Tensor) -> None:
            both = pool(maps)
            pooled[f"mean {layer}"], pooled[f"max {layer}"] = both.mean, both.max
            if layer in self._early:
                pooled.update({f"{kind} {layer}": values for kind, values in further_values(maps).items()})

        with torch.no_grad():
            looked_at = dict.fromkeys((*self._added, *self._early))
            stream(session, inputs, [parse(layer) for layer in looked_at], look, stop=True)
        target = Logit(self._outputs[torch.from_numpy(labels)].tolist())
        record = take(session, inputs, [self._layer], [target], classes=self._classes)
        pooled |= self._answers(record, inputs) | _tokens(session, record, self._layer)
        for name, values in pooled.items():
            self.parts.setdefault(name, []).append(values.cpu().numpy())
        self.places.append(places)
        doubts = (*unsteady(session, record.inputs), *misplaced(record.layouts[self._layer]))
        self.doubts |= dict.fromkeys(doubts)

    def _answers(self, record: Record, inputs: Tensor) -> dict[str, Tensor]:
        gradients, maps = record.gradients[self._layer], record.activations[self._layer]
        shares = record.classes.probabilities(record.outputs, len(inputs))
        outputs = self._outputs.to(shares.device)
        is_class = (shares.argmax(1)[:, None] == outputs).to(torch.int64)
        return {
            "relevance": (gradients * maps).sum((2, 3)),
            "gradient": gradients.sum((2, 3)),
            "probabilities": shares[:, outputs],
            "called": torch.where(is_class.any(1), is_class.argmax(1), -1),
        }


def _tokens(session: Session, record: Record, layer: str) -> dict[str, Tensor]:
    """A layer's activations (picture, channel, token) at class and register tokens, where it has any."""
    layout = record.layouts[layer]
    if not layout.prefix and not layout.suffix:
        return {}
    name, _, call = layer.partition("#")
    with torch.no_grad():
        output = Tail(session.model, name, record.inputs, call=int(call) if call else None).output
    every = layout.whole.to_maps(output).flatten(2).float()
    return {"tokens": torch.cat([every[:, :, : layout.places.start], every[:, :, layout.places.stop :]], 2)}
