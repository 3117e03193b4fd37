"""Why values are not finite: the weights to look at."""

import torch

from featuremaps.runtime.warnings import why_not_finite
from nets import plain


def test_bad_weights_are_named() -> None:
    model = plain()
    assert "weights are finite, so a layer overflows" in why_not_finite(model)
    with torch.no_grad():
        model[2].weight[0, 0, 0, 0] = torch.nan
        model[6].bias[1] = torch.inf
    assert "not finite: 2.weight and 1 more" in why_not_finite(model)
