"""What colours stand for, for each way of scaling, with and without negative values."""

import pytest
import torch

from featuremaps.errors import OptionError
from featuremaps.plotting.colour_scales import scale_for

POSITIVE = torch.tensor([[0.0, 1.0], [2.0, 4.0]])
SIGNED = torch.tensor([[0.0, -1.0], [2.0, 4.0]])


def test_each_map_its_own() -> None:
    torch.testing.assert_close(scale_for("map", 0.0)(POSITIVE, 4.0, 8.0), POSITIVE / 4)
    scale = scale_for("map", -3.0)
    torch.testing.assert_close(scale(SIGNED, 4.0, 8.0), SIGNED / 4)
    assert (scale.colormap, scale.limits(8.0)) == ("RdBu_r", (-1.0, 1.0))
    assert scale.caption(8.0) == "each map has its own scale: ± its largest magnitude"
    assert scale_for("map", 0.0).caption(8.0) == "each map has its own scale: 0 to its largest value"


def test_one_for_the_layer() -> None:
    scale = scale_for("layer", 0.0)
    torch.testing.assert_close(scale(POSITIVE, 4.0, 8.0), POSITIVE / 8)
    assert scale.limits(8.0) == (0.0, 8.0)
    assert scale.caption(8.0) == "one scale for all channels and pictures of the layer: 0 to 8"
    assert scale_for("layer", -1.0).caption(1500.0).endswith("±1,500")
    assert scale.caption(None) == "one scale per layer, up to its largest value over all channels and pictures"


def test_fixed_limits_clip() -> None:
    scale = scale_for((1.0, 3.0), 0.0)
    torch.testing.assert_close(scale(POSITIVE, 4.0, 8.0), torch.tensor([[0.0, 0.0], [0.5, 1.0]]))
    assert scale.limits(None) == (1.0, 3.0)
    assert scale.caption(None) == "fixed scale from 1 to 3; values beyond it are clipped"
    mirrored = scale_for((-2.0, 2.0), 0.0)
    assert mirrored.signed
    torch.testing.assert_close(mirrored(SIGNED, 4.0, 8.0), torch.tensor([[0.0, -0.5], [1.0, 1.0]]))


@pytest.mark.parametrize("scaling", ["map", "layer"])
@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_a_dead_map_is_not_divided_by_zero(scaling: str, lowest: float) -> None:
    assert torch.equal(scale_for(scaling, lowest)(torch.zeros(2, 2), 0.0, 0.0), torch.zeros(2, 2))


def test_errors() -> None:
    with pytest.raises(OptionError, match=r"scaling=\(5.0, 0.0\): fixed limits are two numbers \(low, high\)"):
        scale_for((5.0, 0.0), 0.0)
    from method_samples import unchecked

    with unchecked(), pytest.raises(OptionError, match="scaling='maps' is not known.*Did you mean 'map'"):
        scale_for("maps", 0.0)
