"""Looking at layers while a model runs, without keeping what they give: for passes over more pictures than fit."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.layers.addresses import Address, find
from featuremaps.layers.known import Reading, reading_of
from featuremaps.layers.model_ends import main_tensor
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import Stop
from featuremaps.runtime.max_pooling import lay_out_max_pools
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session

Look = Callable[[str, Tensor], None]


def stream(
    session: Session,
    inputs: Float[Tensor, "batch channel *space"],
    layers: Sequence[Address],
    look: Look,
    *,
    stop: bool,
) -> Any:
    """Run the model once; call `look(name, maps)` with (batch, channel, height, width) as each of `layers` gives it.

    The maps are the model's own memory, which the next operation may overwrite: `look` takes what it wants of them
    at once. With `stop` the model ends after the deepest layer and None is returned, else what the model gives.
    Raises `LayoutError` for a layer without maps, `ModelError` for one that did not run.
    """
    with run_on(session.model, inputs):
        reading = reading_of(session.model, {address.name for address in layers}, inputs, session.layout)
    streamed = _Streamed(layers, reading, look, stop)
    with session.one_pass() as hooks:
        lay_out_max_pools(session)
        for layer in dict.fromkeys(address.layer for address in layers):
            hooks.on_forward(find(session.model, layer), streamed.hook(layer))
        try:
            with run_on(session.model, inputs):
                outputs = run_model(session.model, inputs)
        except Stop:
            return None
    if streamed.missing:
        raise ModelError(
            f"layer {sorted(streamed.missing)[0]!r} did not run for an input of "
            f"{'×'.join(map(str, inputs.shape[1:]))}, although it does for the first picture. Choose layers that run "
            "whatever the picture."
        )
    return outputs


class _Streamed:
    """The layers of one pass that are looked at, which of them are `missing` still, and how often each ran."""

    def __init__(self, layers: Sequence[Address], reading: Reading, look: Look, stop: bool) -> None:
        self._layers, self._reading, self._look, self._stop = layers, reading, look, stop
        self.missing = {address.name for address in layers}
        self._calls: Counter[str] = Counter()

    def hook(self, layer: str) -> Callable[..., None]:
        """The hook of one layer: it shows the calls that are wanted."""
        addresses = [address for address in self._layers if address.layer == layer]

        def on_forward(module: nn.Module, _: Any, output: Any) -> None:
            for address in addresses:
                if self._reading.is_meant(address, self._calls[layer]):
                    self._show(address.name, module, output)
            self._calls[layer] += 1
            if self._stop and not self.missing:
                raise Stop

        return on_forward

    def _show(self, name: str, module: nn.Module, output: Any) -> None:
        tensor = main_tensor(output)
        layout = self._reading.layout(name, module, output if tensor is None else tensor)
        assert tensor is not None
        self._look(name, layout.to_maps(tensor.detach()))
        self.missing.discard(name)
