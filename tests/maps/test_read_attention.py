"""Attention maps as results: shapes, queries, files, and what is said of bad input and of artefact tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import featuremaps as fm
from attention_samples import TinyViT
from featuremaps.errors import LayerNotFoundError, LayoutError, OptionError
from method_samples import Little, noise
from transformer_families import tiny


@pytest.fixture(scope="module")
def scope() -> fm.Scope:
    return fm.Scope(tiny("timm ViT"), name="ViT")


PICTURES = noise(2, (32, 48))


def test_layers_by_name_glob_holder_and_last(scope: fm.Scope) -> None:
    every = scope.attention(PICTURES)
    assert every.layers == ("blocks.0.attn", "blocks.1.attn")
    for asked in ("last", "blocks.1", "blocks.1.attn", ["*.1.attn"]):
        found = scope.attention(PICTURES, asked)
        assert found.layers == ("blocks.1.attn",)
        torch.testing.assert_close(found.tensor[:, 0], every.tensor[:, 1])
    assert every.of("blocks.0.attn").numpy().shape == (2, 1, 2, 4, 6)
    torch.testing.assert_close(every.mean().tensor[:, :, 0], every.tensor.mean(2))
    assert len(every[1:]) == 1
    with pytest.raises(LayerNotFoundError, match=r"no attention in 'blocks\.9'\..*Attentions: blocks\.0\.attn, blocks"):
        scope.attention(PICTURES, "blocks.9")
    with pytest.raises(OptionError, match="no attention of 'blocks.1' here"):
        every.of("blocks.1")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("clas", "query='clas' is not known; choose 'class', 'mean'"),
        (25, "has 25 queries, and there is no single token 25"),
        ((32, 0), r"\(32, 0\) is a pixel \(y, x\) of what the model saw, which has 32 × 48"),
    ],
)
def test_queries_that_are_not_there(scope: fm.Scope, query: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        scope.attention(PICTURES, query=query)  # type: ignore[arg-type]


def test_models_without_a_class_token_or_without_attention() -> None:
    windows = fm.Scope(tiny("timm Swin"))
    with pytest.raises(OptionError, match=r"16 queries in each of 8 windows and no class token.*query='mean'"):
        windows.attention(noise(1, (32, 64)), query="class")
    found = windows.attention(noise(1, (32, 64)), query=(0, 63))
    assert [tuple(map.shape) for map in found.maps[0]] == [(1, 8, 16), (1, 8, 16), (2, 4, 8)]
    first = found.maps[0][0][0]
    assert float(first[:4, 12:].sum()) == pytest.approx(1, abs=1e-5)  # all in the pixel's own window, in the corner
    with pytest.raises(OptionError, match=r"the layers differ \(1 heads of 8×16, 2 heads of 4×8\)"):
        found.numpy()
    with pytest.raises(LayoutError, match=r"Little has no softmax attention.*scope\.maps"):
        fm.Scope(Little()).attention(noise(1))


def test_figures_and_files(scope: fm.Scope, tmp_path: Path) -> None:
    found = scope.attention(PICTURES)
    assert len(found.figure(1).axes) == 2 * 4 + 1  # two layers: the picture, the mean and two heads; and a colour bar
    written = found.save(tmp_path)
    assert sorted(path.name for path in written)[:2] == [
        "picture 0__attention.png",
        "picture 0__attention__blocks.0.attn.npy",
    ]
    np.testing.assert_allclose(np.load(tmp_path / "picture 1__attention__blocks.1.attn.npy"), found.numpy()[1, 1])
    assert repr(found) == "<AttentionMaps from the class token: 2 pictures, 2 layers, 2 heads of 4×6>"


class WithArtefact(TinyViT):
    """One patch's tokens grow far beyond the others' before the last norm."""

    def __init__(self) -> None:
        super().__init__(F.scaled_dot_product_attention)
        self.norm.register_forward_pre_hook(lambda _, args: (args[0] * self.growth(args[0].shape[1]),))

    def growth(self, count: int) -> Tensor:
        factors = torch.ones(1, count, 1)
        factors[0, 7] = 20
        return factors


def test_patches_of_large_norm_are_said() -> None:
    model = WithArtefact().eval()
    scope = fm.Scope(model)
    (doubt,) = scope.attention(noise(2, (16, 24))).warnings
    assert doubt.startswith("1 of 24 patches have norms over 3 times the median: ")
    for method in ("attention_rollout", "legrad"):
        assert scope.explain(noise(2, (16, 24)), method, target=1).warnings == ((doubt,),) * 2
    plain = fm.Scope(TinyViT(F.scaled_dot_product_attention).eval())
    assert plain.attention(noise(2, (16, 24))).warnings == ()
