"""Filters of single modules."""

import torch
from torch import nn

import featuremaps as fm


def of(module: nn.Module, layer: str = "it", **options) -> fm.Filters:
    return fm.Scope(nn.ModuleDict({"it": module})).filters(layer, **options)


def seeded(make, *arguments, **options) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments, **options)
