"""The bundled networks: a small ReLU ResNet whose last map is fine enough (16 × 16) to make a sharp picture.

Their forward passes name no types, as most networks do not: a symbolic trace hands them symbols, not tensors, which the
checks of the test run would refuse.
"""

from torch import nn


class Block(nn.Module):
    """Two 3 × 3 convolutions with a skip around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        changes = stride != 1 or inputs != outputs
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if changes
            else nn.Identity()
        )

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Maps (batch, channel, height, width) at the block's own stride."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + self.downsample(x))


class SmallResNet(nn.Module):
    """Pictures (batch, 3, 128, 128) to class scores (batch, classes); names as in torchvision's ResNets."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = Block(16, 24, 1)
        self.layer2 = Block(24, 48, 2)
        self.layer3 = Block(48, 64, 1)
        self.layer4 = Block(64, 96, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(96, classes)

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Class scores before the softmax."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))
