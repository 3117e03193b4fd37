"""The CIFAR ResNet-20, which benchmarks and tests run with the weights in the shared folder."""

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class BasicBlock20(nn.Module):
    """A block of the CIFAR ResNet: functional ReLU, and a shortcut that slices and pads (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.stride > 1 or self.extra:
            half = self.extra // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))
        return F.relu(out + x)


class ResNet20(nn.Module):
    """The CIFAR-10 ResNet-20 of He et al. 2015 (0.27 M parameters), with the key names of the shared weights."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, 1)
        self.layer2 = self._stage(16, 32, 2)
        self.layer3 = self._stage(32, 64, 2)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        rest = [BasicBlock20(outputs, outputs, 1) for _ in range(2)]
        return nn.Sequential(BasicBlock20(inputs, outputs, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = F.avg_pool2d(out, out.size()[3])
        return self.linear(out.view(out.size(0), -1))


def resnet20(weights: object = None) -> ResNet20:
    """The CIFAR ResNet-20 in evaluation mode; `weights` is the path of a safetensors file."""
    model = ResNet20()
    if weights is not None:
        model.load_state_dict(load_file(str(weights)))
    return model.eval()
