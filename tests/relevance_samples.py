"""What the tests of relevance share: a stand-in for the engine's `propagate`, and networks with and without biases."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules import Rule
from featuremaps.rules.operations import operation_of


def propagator(model: nn.Module, inputs: Tensor, target: int | Tensor) -> Callable[[Rule], Tensor]:
    """A function from a rule to what it sends back to the inputs, for one class of every picture."""

    def propagate(rule: Rule) -> Tensor:
        new = rule.prepared(inputs).detach().clone().requires_grad_()
        with torch.enable_grad(), rule:
            scores = model(new)[:, target]
        rule.sent = start = scores.detach() if rule.start == "score" else torch.ones_like(scores)
        return rule.collected(torch.autograd.grad(scores, new, start)[0], inputs)

    return propagate


def gradient(model: nn.Module, inputs: Tensor, target: int) -> Tensor:
    x = inputs.clone().requires_grad_()
    return torch.autograd.grad(model(x)[:, target].sum(), x)[0]


def bias_free(model: nn.Module) -> nn.Module:
    """The same weights, with every bias and every offset of a batch norm zero."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "bias", None), Tensor):
                module.bias.zero_()
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.zero_()
    return model


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, with weights, biases and batch statistics that are all far from trivial."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3, generator=random)
                module.running_var.uniform_(0.5, 2, generator=random)
                module.weight.uniform_(-1.5, 1.5, generator=random)
                module.bias.normal_(0, 0.3, generator=random)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=random)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=random)
    return model.eval()


def vgg() -> nn.Sequential:
    """A little VGG: module ReLUs, batch norm, max and average pooling, two dense layers."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(10, 4),
    )


class Spelt(nn.Module):
    """One network whose ReLU, sums and average are written in the way that `spelling` says."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 4)
        self.reused = nn.ReLU(inplace=spelling == "inplace")
        randomised(self)

    def relu(self, x: Tensor) -> Tensor:
        match self.spelling:
            case "module":
                return nn.ReLU()(x)
            case "functional":
                return F.relu(x)
            case "method":
                return x.relu_()
            case "clamp":
                return torch.clamp(x, min=0)
        return self.reused(x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(x))
        if self.spelling in ("inplace", "method"):
            out += x
        else:
            out = torch.add(out, x)
        out = self.relu(out)
        if self.spelling == "functional":
            return self.fc(F.avg_pool2d(out, out.shape[2:]).flatten(1))
        if self.spelling == "module":
            return self.fc(nn.AdaptiveAvgPool2d(1)(out).flatten(1))
        return self.fc(out.mean((2, 3)))


SPELLINGS = ("module", "inplace", "reused", "functional", "method", "clamp")


LAYERS = {
    "conv1d": (nn.Conv1d(3, 4, 3, stride=2, padding=1), (2, 3, 9)),
    "conv2d": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), (2, 4, 7, 8)),
    "depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False), (2, 4, 5, 5)),
    "same, even": (nn.Conv2d(2, 3, 4, padding="same"), (2, 2, 6, 5)),
    "valid": (nn.Conv2d(2, 3, 3, padding="valid"), (2, 2, 6, 5)),
    "conv3d": (nn.Conv3d(2, 3, 2, padding=1), (1, 2, 3, 4, 3)),
    "conv_transpose1d": (nn.ConvTranspose1d(3, 2, 3, stride=2), (2, 3, 4)),
    "conv_transpose2d": (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2, dilation=2), (2, 4, 5, 4)),
    "linear": (nn.Linear(5, 3), (2, 5)),
    "linear over a sequence": (nn.Linear(5, 3), (2, 4, 5)),
}


class Calls(torch.overrides.TorchFunctionMode):
    """Keeps the operations that a module calls."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        operation = operation_of(func, args, kwargs or {})
        if operation is not None:
            self.operations.append(operation)
        return func(*args, **(kwargs or {}))


def operations(run, *args: Tensor) -> list:
    """The operations that a function calls, in their order."""
    with Calls() as calls:
        run(*args)
    return calls.operations
