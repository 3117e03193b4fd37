"""Why values in a model are not finite: the weights to look at."""

import torch
from torch import nn


def why_not_finite(model: nn.Module) -> str:
    """The first weights or buffers with NaN or infinite values, or what else to look at."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        bad = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"The model's own weights are not finite: {bad[0]}{more}. Load it again from a good checkpoint."
    return (
        "The model's weights are finite, so a layer overflows or divides by zero: look at the preprocessed picture, "
        "and run in float32; scope.maps(picture, 'all') names the first layer where it happens."
    )
