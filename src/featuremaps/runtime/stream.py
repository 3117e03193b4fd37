"""Looking at layers while a model runs, without keeping what they give: for passes over more pictures than fit."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.layers.addresses import Address, find
from featuremaps.layers.known import reading_of
from featuremaps.layers.model_ends import main_tensor
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import Stop
from featuremaps.runtime.max_pooling import lay_out_max_pools
from featuremaps.runtime.memory_format import run_on
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
    calls: Counter[str] = Counter()
    missing = {address.name for address in layers}
    with run_on(session.model, inputs):
        reading = reading_of(session.model, missing, inputs, session.layout)

    def hook(layer: str, addresses: Sequence[Address]) -> Callable[..., None]:
        def on_forward(module: nn.Module, _: Any, output: Any) -> None:
            call = calls[layer]
            calls[layer] += 1
            for address in addresses:
                if reading.is_meant(address, call):
                    tensor = main_tensor(output)
                    layout = reading.layout(address.name, module, output if tensor is None else tensor)
                    assert tensor is not None
                    look(address.name, layout.to_maps(tensor.detach()))
                    missing.discard(address.name)
            if stop and not missing:
                raise Stop

        return on_forward

    with session.one_pass() as hooks:
        lay_out_max_pools(session)
        for layer in dict.fromkeys(address.layer for address in layers):
            own = [address for address in layers if address.layer == layer]
            hooks.on_forward(find(session.model, layer), hook(layer, own))
        try:
            with run_on(session.model, inputs):
                outputs = run_model(session.model, inputs)
        except Stop:
            return None
    if missing:
        raise ModelError(
            f"layer {sorted(missing)[0]!r} did not run for an input of {'×'.join(map(str, inputs.shape[1:]))}, "
            "although it does for the first picture. Choose layers that run whatever the picture."
        )
    return outputs
