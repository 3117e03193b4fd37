import pytest
import torch
from torch import nn

from featuremaps.layers import walk
from nets import SqueezeExcite, plain

TABLE = """\
address  type               channels  size       stride  receptive field  formula
0        Conv2d             8         16×16      2       3                ⌊(32 − 3 + 2·1)/2⌋ + 1 = 16
1        ReLU               8         16×16      2       3
2        Conv2d             8         16×16      2       7                (16 − 3 + 2·1)/1 + 1 = 16
3        ReLU               8         16×16      2       7
4        AdaptiveAvgPool2d  8         1×1        32      whole picture
5        Flatten                      no map: 8          whole picture
6        Linear                       no map: 4          whole picture

Sequential: 7 layers; last: 3; stages: 3"""


def test_the_table_is_aligned():
    assert str(walk(plain(), torch.rand(1, 3, 32, 32))) == TABLE


def test_axes_that_differ_are_both_shown():
    text = str(walk(nn.Sequential(nn.Conv2d(3, 4, (3, 5), (1, 2))), torch.rand(1, 3, 32, 16)))
    assert "30×6" in text
    assert "1×2" in text
    assert "3×5" in text
    assert "y: (32 − 3 + 2·0)/1 + 1 = 30; x: ⌊(16 − 5 + 2·0)/2⌋ + 1 = 6" in text


def test_the_notebook_shows_the_same_and_marks_the_last():
    layers = walk(SqueezeExcite(), torch.rand(1, 3, 16, 16))
    html = layers._repr_html_()
    assert "<b><code>project</code></b>" in html
    assert html.count("<b>") == 1
    assert html.count("<tr>") == len(layers) + 1
    assert "5 + global gate" in html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a&b", '"x"'])
def test_names_are_escaped(name):
    model = nn.Sequential()
    model.add_module(name, nn.Conv2d(3, 4, 3))
    html = walk(model, torch.rand(1, 3, 8, 8))._repr_html_()
    assert name not in html
    assert "&" in html
