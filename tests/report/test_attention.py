"""The section of attention heads: what it holds, and that it stands in reports of models with attention only."""

import json

import pytest
import torch
from PIL import Image

import featuremaps as fm
from featuremaps.report.attention import AttendingLayer, AttentionSection
from featuremaps.report.data import LayeredPicture
from featuremaps.report.model_sections import inside
from method_samples import Little, noise
from transformer_families import tiny


def test_the_mean_over_the_heads_comes_first() -> None:
    heads = torch.rand(3, 4, 6)
    layer = AttendingLayer("blocks.0.attn", heads, heads.flatten(1).sum(1))
    content = AttentionSection((LayeredPicture("a", Image.new("RGB", (6, 4)), (layer,)),), "from here").to_json()
    (found,) = content["pictures"][0]["layers"]
    assert (found["sprite"]["count"], found["size"]) == (4, [4, 6])
    sums = heads.sum((1, 2))
    assert found["shares"] == pytest.approx([float(sums.mean()), *sums.tolist()], rel=1e-5)
    json.dumps(content)


def test_it_stands_in_reports_of_models_with_attention_only() -> None:
    scope = fm.Scope(tiny("timm ViT"))
    sections = {section.kind: section for section in inside(scope._studied, scope.see(noise(2, (32, 48))).seen)}
    section = sections["attention"]
    assert isinstance(section, AttentionSection)
    assert section.summary == "4 heads in 2 layers, from the class token."
    assert len(section.pictures) == 2
    without = fm.Scope(Little())
    assert "attention" not in {part.kind for part in inside(without._studied, without.see(noise(1)).seen)}
