"""Strides, receptive fields and starts against what really happens: a NaN in one row of the picture, followed."""

import contextlib
import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from benchmarks.resnet20 import resnet20
from torch import Tensor, nn

from families import quarter_of
from featuremaps.layers import walk
from featuremaps.layers.layout import Layout
from nets import Reused, SqueezeExcite, TinyUNet


class Lambda(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def supports(model: nn.Module, layer: str, shape: tuple[int, ...], axis: int, units: list[int]) -> list[tuple]:
    """First and last position along `axis` of the picture that each unit of the layer really depends on.

    One picture per position, NaN along it: NaN passes ReLU, pooling and weights that are zero.
    """
    length = shape[axis]
    # In float64, because fast float32 convolutions work in tiles, over which a NaN spreads.
    model = copy.deepcopy(model).double().eval()
    pictures = torch.rand(length, 3, *shape, dtype=torch.float64)
    for position in range(length):
        pictures[position].select(axis + 1, position).fill_(torch.nan)
    outputs: list[Tensor] = []

    def stop(*args) -> None:
        outputs.append(args[2])
        raise StopIteration

    model.get_submodule(layer).register_forward_hook(stop)
    with torch.no_grad(), contextlib.suppress(StopIteration):
        model(pictures)
    seen = outputs[-1].isnan().any(1).movedim(axis + 1, 1).flatten(2).any(2)
    found = [seen[:, unit].nonzero().flatten() for unit in units]
    return [(int(rows[0]), int(rows[-1])) for rows in found]


def conv(inputs=3, outputs=4, kernel=3, stride=1, padding=0, **more) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, **more)


def residual(model: nn.Module, skip) -> nn.Module:
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x) + skip(x)

    return Residual()


EXACT = {
    "convolution": conv(),
    "stride and padding": nn.Sequential(conv(stride=2, padding=1), nn.ReLU(), conv(4, 4, 5, 3, 2)),
    "dilation": nn.Sequential(conv(padding=2, dilation=2), conv(4, 4, dilation=3)),
    "different axes": nn.Sequential(conv(kernel=(1, 7), stride=(1, 2), padding=(0, 3)), conv(4, 4, (5, 1))),
    "depthwise": nn.Sequential(conv(), conv(4, 4, 3, groups=4), nn.BatchNorm2d(4)),
    "maximum": nn.Sequential(conv(padding=1), nn.MaxPool2d(3, 2, 1), conv(4, 4)),
    "dilated maximum": nn.Sequential(conv(), nn.MaxPool2d(2, 1, dilation=3)),
    "ceiling": nn.Sequential(conv(), nn.MaxPool2d(3, 2, ceil_mode=True), conv(4, 4)),
    "average": nn.Sequential(conv(), nn.AvgPool2d(2), conv(4, 4)),
    "function": nn.Sequential(Lambda(lambda x: F.relu(F.max_pool2d(x, 2))), conv()),
    "adaptive": nn.Sequential(conv(padding=1), nn.AdaptiveAvgPool2d(9), conv(4, 4)),
    "adaptive maximum": nn.Sequential(conv(padding=1), nn.AdaptiveMaxPool2d(9)),
    "strided slice": residual(conv(outputs=3, stride=2, padding=1), lambda x: x[:, :, ::2, ::2]),
    "offset slice": nn.Sequential(Lambda(lambda x: x[:, :, 5:-3, 2:]), conv(stride=2)),
    "one-sided padding": nn.Sequential(Lambda(lambda x: F.pad(x, (0, 1, 0, 1))), conv(stride=2)),
    "reflection": nn.Sequential(nn.ReflectionPad2d(2), conv(kernel=5)),
    "padding same": nn.Sequential(nn.Conv2d(3, 4, 5, padding="same"), conv(4, 4)),
    "concatenation": nn.Sequential(Lambda(lambda x: torch.cat([x, F.avg_pool2d(x, 5, 1, 2)], 1)), conv(6)),
    "space to channels": nn.Sequential(nn.PixelUnshuffle(3), conv(27)),
    "patches by slices": nn.Sequential(Lambda(lambda x: torch.cat([x[:, :, i::3, ::3] for i in range(3)], 1)), conv(9)),
    "channels last": nn.Sequential(conv(), Lambda(lambda x: _normed(x)), conv(4)),
    "tokens and back": nn.Sequential(conv(kernel=3, stride=3), Lambda(lambda x: _tokens_and_back(x)), conv(4)),
    "linear over channels": nn.Sequential(
        Lambda(lambda x: x.movedim(1, -1)), nn.Linear(3, 4), Lambda(lambda x: x.movedim(-1, 1)), conv(4)
    ),
    "rolled": Lambda(lambda x: torch.roll(F.avg_pool2d(torch.roll(x, (4, 4), (2, 3)), 3, 1, 1), (-4, -4), (2, 3))),
    "split": Lambda(lambda x: torch.cat([F.max_pool2d(part, 3, 1, 1) for part in x.chunk(3, 1)], 1)),
    "stack": Lambda(lambda x: torch.stack([x, F.max_pool2d(x, 3, 1, 1)]).amax(0)),
    "written into a buffer": Lambda(lambda x: _filled(F.max_pool2d(x, 3, 1, 1))),
    "windows as columns": Lambda(lambda x: F.unfold(x, 5, 2, 2, 3).unflatten(2, (17, 14))),
    "windows put back": nn.Sequential(Lambda(lambda x: _put_back(x, 3, 1, 1)), conv(stride=2)),
}


def _normed(x: Tensor) -> Tensor:
    return F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2)


def _tokens_and_back(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return F.gelu(tokens).transpose(1, 2).reshape(x.shape)


def _put_back(x: Tensor, size: int, padding: int, stride: int) -> Tensor:
    """Windows, each the mean of itself, added up where they lay."""
    windows = F.unfold(x, size, 1, padding, stride)
    return F.fold(windows.mean(1, keepdim=True).expand_as(windows), x.shape[2:], size, 1, padding, stride)


def _filled(x: Tensor) -> Tensor:
    buffer = torch.zeros(x.shape[0], 5, *x.shape[2:])
    buffer[:, 1:4] = x
    return buffer


@pytest.mark.parametrize("name", EXACT)
def test_geometry_is_what_the_unit_really_depends_on(name):
    model = nn.Sequential(EXACT[name])
    for axis, length in enumerate((54, 45)):
        info = walk(model, torch.rand(1, 3, 54, 45))["0"]
        assert not info.note
        assert not info.whole
        unit = info.size[axis] // 2
        first, last = supports(model, "0", (54, 45), axis, [unit])[0]
        assert first > 0
        assert last < length - 1
        assert info.receptive_field[axis] == last - first + 1
        assert info.start[axis] + unit * info.stride[axis] == (first + last + 1) / 2


GROWING = {
    "transposed": nn.Sequential(conv(stride=2), nn.ConvTranspose2d(4, 4, 2, 2)),
    "overlapping": nn.Sequential(conv(stride=2, padding=1), nn.ConvTranspose2d(4, 4, 4, 2, 1)),
    "after transposed": nn.Sequential(conv(stride=2), nn.ConvTranspose2d(4, 4, 2, 2), conv(4)),
    "nearest": nn.Sequential(conv(stride=3), nn.Upsample(scale_factor=3), conv(4)),
    "bilinear": nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2, mode="bilinear")),
    "corners": nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "bicubic": nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2, mode="bicubic")),
    "channels to space": nn.Sequential(conv(stride=3), conv(4, 18), nn.PixelShuffle(3), conv(2)),
    "uneven adaptive": nn.Sequential(conv(padding=1), nn.AdaptiveAvgPool2d(10)),
}


# A convolution after these may straddle a border of the coarser grid, and then sees one of its units more.
STRADDLING = {"nearest": 3, "channels to space": 3}


@pytest.mark.parametrize("name", GROWING)
def test_a_finer_grid_sees_at_most_the_field_and_lies_in_its_middle(name):
    model = nn.Sequential(GROWING[name])
    info = walk(model, torch.rand(1, 3, 54, 54))["0"]
    middle = info.size[0] // 2
    units = list(range(middle - 3, middle + 3))
    found = supports(model, "0", (54, 54), 0, units)
    widths = {last - first + 1 for first, last in found}
    assert info.receptive_field[0] <= max(widths)
    assert max(widths) - info.receptive_field[0] < STRADDLING.get(name, 1)
    spread = max(widths) - min(widths)
    for unit, (first, last) in zip(units, found, strict=True):
        centre = info.start[0] + unit * info.stride[0]
        assert abs(centre - (first + last + 1) / 2) <= max(spread, 2.0) / 2 + 1e-6


KNOWN = [
    ("resnet18", "layer4", 435, 32),
    ("resnet50", "layer4", 427, 32),  # the stride is in the 3×3; with it in the 1×1, as in He et al., it is 483
    ("vgg16", "features.29", 196, 16),
    ("vgg16", "features", 212, 32),
    ("alexnet", "features", 195, 32),
    ("mobilenet_v2", "features", 491, 32),
]


@pytest.mark.parametrize(("family", "layer", "field", "stride"), KNOWN)
def test_published_receptive_fields(family, layer, field, stride):
    info = walk(quarter_of(family), torch.rand(1, 3, 64, 64))[layer]
    assert (info.receptive_field, info.stride) == ((field, field), (stride, stride))


def test_resnet50_as_first_published_sees_483():
    model = quarter_of("resnet50")
    for stage in (model.layer2, model.layer3, model.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    assert walk(model, torch.rand(1, 3, 64, 64))["layer4"].receptive_field == (483, 483)


REAL = [
    ("alexnet", "features", 288),
    ("shufflenet_v2_x0_5", "stage2", 96),
    ("googlenet", "inception3a", 96),
    ("squeezenet1_0", "features.5", 160),
]


@pytest.mark.parametrize(("family", "layer", "size"), REAL)
def test_real_architectures_against_the_oracle(family, layer, size):
    model = quarter_of(family).eval()
    info = walk(model, torch.rand(1, 3, 64, 64))[layer]
    first, last = supports(model, layer, (size, 64), 0, [unit := round(size / info.stride[0]) // 2])[0]
    assert 0 < first < last < size - 1
    assert info.receptive_field[0] == last - first + 1
    assert info.start[0] + unit * info.stride[0] == (first + last + 1) / 2


def test_the_shortcut_of_the_cifar_resnet_is_followed():
    layers = walk(resnet20(), torch.rand(1, 3, 32, 32))
    assert [layers[name].stride[0] for name in ("layer1", "layer2", "layer3")] == [1, 2, 4]
    assert [layers[name].receptive_field[0] for name in ("layer1", "layer2", "layer3")] == [15, 37, 81]
    assert not any(info.note for info in layers)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_sound_and_volumes(dimensions):
    one, pool = (nn.Conv1d, nn.MaxPool1d) if dimensions == 1 else (nn.Conv3d, nn.MaxPool3d)
    model = nn.Sequential(one(3, 4, 3, 2, 1), nn.ReLU(), pool(2), one(4, 4, 3, padding=1))
    layers = walk(model, torch.rand(2, 3, *(16,) * dimensions))
    assert layers["3"].stride == (4,) * dimensions
    assert layers["3"].receptive_field == (13,) * dimensions
    assert layers["3"].size == (4,) * dimensions
    assert layers.last == "3"
    assert layers["0"].formula == "⌊(16 − 3 + 2·1)/2⌋ + 1 = 8"


def test_a_gate_leaves_the_field_local():
    layers = walk(SqueezeExcite(), torch.rand(1, 3, 16, 16))
    assert layers["squeeze"].whole
    assert layers["excite"].whole
    project = layers["project"]
    assert (project.gated, project.whole, project.receptive_field) == (True, False, (5, 5))
    assert not layers["conv"].gated
    assert "5 + global gate" in str(layers)


@pytest.mark.parametrize(
    ("layer", "gated"), [(nn.GroupNorm(2, 4), True), (nn.InstanceNorm2d(4), True), (nn.BatchNorm2d(4), False)]
)
def test_statistics_over_the_picture_are_a_gate(layer, gated):
    info = walk(nn.Sequential(conv(), layer), torch.rand(1, 3, 16, 16))["1"]
    assert (info.gated, info.whole, info.receptive_field) == (gated, False, (3, 3))


def test_swin_sees_windows_first_and_then_the_whole_picture():
    layers = walk(quarter_of("swin_t"), torch.rand(1, 3, 112, 112))
    first = layers["features.1.0"]
    assert not first.whole
    assert first.stride == (4, 4)
    # A unit sees its own window of 7 patches, wherever in it the unit lies.
    assert first.receptive_field == (4 * 13, 4 * 13)
    assert layers["norm"].whole
    assert layers["norm"].receptive_field == (112, 112)
    assert layers["norm"].start == (16, 16)


def test_attention_sees_the_whole_picture():
    model = torchvision.models.VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64)
    layers = walk(model, torch.rand(1, 3, 32, 32))
    assert layers["conv_proj"].receptive_field == (16, 16)
    assert not layers["encoder.layers.encoder_layer_0.ln_1"].whole
    block = layers["encoder.layers.encoder_layer_0"]
    assert block.whole
    assert (block.stride, block.start, block.size) == ((16, 16), (8, 8), (2, 2))
    assert block.layout.prefix == 1


def test_a_learned_query_sees_the_whole_picture_from_nowhere():
    def attend(x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return F.scaled_dot_product_attention(torch.ones(1, 5, 3), tokens, tokens)

    info = walk(nn.Sequential(Lambda(attend)), torch.rand(1, 3, 8, 8))["0"]
    assert (info.whole, info.layout, info.shape, info.note) == (True, None, (1, 5, 3), "")


SHUFFLED = torch.randperm(64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "move",
    [
        lambda tokens: tokens.gather(1, SHUFFLED[None, :, None].expand_as(tokens)),
        lambda tokens: tokens[:, SHUFFLED],
        lambda tokens: tokens.index_select(1, SHUFFLED),
        lambda tokens: torch.zeros_like(tokens).index_copy(1, SHUFFLED, tokens),
        lambda tokens: torch.zeros_like(tokens).scatter(1, SHUFFLED[None, :, None].expand_as(tokens), tokens),
        lambda tokens: tokens.take_along_dim(SHUFFLED[None, :, None], 1),
        lambda tokens: tokens.roll(5),
    ],
)
def test_tokens_in_another_order_have_no_places(move):
    """Each of them keeps the shape, so that nothing but the operation tells."""
    shuffled = Lambda(lambda x: move(x.flatten(2).transpose(1, 2)))
    layers = walk(nn.Sequential(nn.Conv2d(3, 8, 4, 4), shuffled, nn.Linear(8, 8)), torch.rand(1, 3, 32, 32))
    assert layers["0"].size == (8, 8)
    assert [layers[name].layout for name in ("1", "2")] == [None, None]


MOVED = {
    "mirrored": lambda z: z.flip(3),
    "a mirrored copy over it": lambda z: torch.maximum(z, 10 * z.flip(3)),
    "gated by its own mirror image": lambda z: z.flip(3) * z.sigmoid(),
    "halves swapped": lambda z: torch.cat([z[..., 4:], z[..., :4]], 3),
    "rows upside down": lambda z: torch.cat(z.split(1, 2)[::-1], 2),
    "even columns before odd ones": lambda z: torch.cat([z[..., ::2], z[..., 1::2]], 3),
    "side by side": lambda z: torch.cat([z, z], 3),
    "two crops side by side": lambda z: torch.cat([z[:, :, 1:3], z[:, :, :2]], 3),
    "its transpose over it": lambda z: z[..., :4] + z[..., :4].transpose(2, 3),
    "columns by their numbers": lambda z: z.index_select(3, torch.arange(7, -1, -1)),
}
KEPT = {
    "halves together": lambda z: torch.cat([z[..., :4], z[..., 4:]], 3),
    "rows together": lambda z: torch.cat(z.split(1, 2), 2),
    "zeros beside it": lambda z: torch.cat([z.new_zeros(1, 8, 4, 1), z], 3),
    "branches": lambda z: torch.cat([F.max_pool2d(z, 3, 1, 1), z], 1),
    "smaller and back": lambda z: torch.cat([F.interpolate(F.avg_pool2d(z, 2), scale_factor=2), z], 1),
}


@pytest.mark.parametrize("name", [*MOVED, *KEPT])
def test_maps_put_together_from_parts(name):
    change = (MOVED | KEPT)[name]
    layers = walk(nn.Sequential(nn.Conv2d(3, 8, 4, 4), Lambda(change), nn.ReLU()), torch.rand(1, 3, 16, 32))
    if name in KEPT:
        assert layers["2"].layout.kind == "channels_first"
        assert layers["2"].layout.known == "followed from the picture"
    else:
        assert layers["2"].layout is None
        assert layers["2"].note.startswith("its places in the picture are unknown: an operation before it puts them in")


@pytest.mark.parametrize(
    "move",
    [
        lambda tokens: torch.cat(tokens.chunk(2, 1)[::-1], 1),
        lambda tokens: torch.where(tokens > 0, tokens.flip(1), tokens),
        lambda tokens: torch.cat([tokens[..., :4], tokens.flip(1)[..., 4:]], 2),
        lambda tokens: tokens.sort(1)[0],
        lambda tokens: torch.stack([tokens, tokens.new_zeros(tokens.shape)], 2).flatten(1, 2),
        lambda tokens: torch.stack([row.flip(1) for row in tokens.unflatten(1, (8, 8)).unbind(1)], 1).flatten(1, 2),
    ],
)
def test_tokens_scanned_both_ways_or_sorted_have_no_places(move):
    shuffled = Lambda(lambda x: move(x.flatten(2).transpose(1, 2)))
    assert walk(nn.Sequential(nn.Conv2d(3, 8, 4, 4), shuffled), torch.rand(1, 3, 32, 32))["1"].layout is None


@pytest.mark.parametrize("first", [True, False])
def test_a_recurrent_layer_along_the_width_keeps_its_steps(first):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 5, batch_first=first, bidirectional=True)

        def forward(self, x: Tensor) -> Tensor:
            rows = x.mean(2).permute(*((0, 2, 1) if first else (2, 0, 1)))
            return self.lstm(rows)[0]

    info = walk(Steps(), torch.rand(2, 3, 8, 24))["lstm"]
    assert info.layout == Layout("tokens", 10, (1, 24), batch_axis=0 if first else 1)
    assert info.whole


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_sequences_with_a_class_token_as_one_long_batch(batch):
    class Long(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = torch.cat([x.new_ones(len(x), 1, 3), x.flatten(2).transpose(1, 2)], 1)
            return (tokens.view(-1, 3) * 2).view(tokens.shape)

    layers = walk(nn.Sequential(Long(), nn.LayerNorm(3)), torch.rand(batch, 3, 4, 6))
    assert layers["1"].layout == Layout("tokens", 3, (4, 6), 1)


@pytest.mark.parametrize(
    ("change", "followed"),
    [
        (lambda parts: [part * 2 for part in parts], True),
        (lambda parts: [part.transpose(1, 2).contiguous().transpose(1, 2) for part in parts], True),
        (lambda parts: parts[::-1], False),
        (lambda parts: [*parts[:-1], parts[-1].flip(1)], False),
        (lambda parts: [*parts[:-1], parts[-1].roll(1, 1)], False),
        (lambda parts: [parts[0] + parts[1], *parts[1:]], False),
        (lambda parts: [parts[1], parts[1], parts[2]], False),
    ],
    ids=["as they are", "turned and back", "reversed", "one flipped", "one rolled", "one added", "one twice"],
)
def test_parts_of_tokens_side_by_side_again_have_their_places(change, followed):
    class Parts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = torch.cat([x.new_ones(len(x), 1, 3), x.flatten(2).mT], 1)
            return torch.cat(change([*tokens.split(10, 1)]), 1)

    layers = walk(nn.Sequential(Parts(), nn.LayerNorm(3)), torch.rand(1, 3, 5, 6))
    layout = layers["1"].layout
    assert (layout == Layout("tokens", 3, (5, 6), 1) and layers["1"].stride == (1, 1)) == followed


def test_a_u_net_comes_back_to_the_pixels():
    info = walk(TinyUNet(), torch.rand(1, 3, 32, 32))["merge"]
    assert info.stride == (1, 1)
    found = supports(TinyUNet(), "merge", (32, 32), 0, [15, 16])
    assert max(last - first + 1 for first, last in found) == info.receptive_field[0]


def test_an_operation_nobody_knows_sees_everything():
    layers = walk(
        nn.Sequential(Lambda(lambda x: F.grid_sample(x, torch.zeros(1, 8, 8, 2), align_corners=False)), conv()),
        torch.rand(1, 3, 16, 16),
    )
    assert layers["0"].whole
    assert layers["0"].size == (8, 8)
    assert layers["0"].stride == (2, 2)


def test_a_rule_that_fails_leaves_the_run_alone_and_says_so(monkeypatch):
    from featuremaps.receptive_field import window_rules

    def broken(call):
        raise ArithmeticError("no idea")

    monkeypatch.setitem(window_rules.RULES, "convolution", broken)
    monkeypatch.setattr("featuremaps.receptive_field.op_rules.RULES", {**window_rules.RULES})
    model, picture = Reused(), torch.rand(1, 3, 16, 16)
    info = walk(model, picture)["conv1"]
    assert info.shape == (1, 8, 16, 16)
    assert info.layout.kind == "channels_first"
    assert (info.stride, info.receptive_field, info.start) == (None, None, None)
    assert info.note == (
        "its places in the picture are unknown: an operation before it could not be followed (convolution)"
    )


class Unpooled(nn.Module):
    """SegNet's way: maxima go back to where they were found, or, `moved`, to the places of others."""

    def __init__(self, *pool: int, moved: bool = False) -> None:
        super().__init__()
        self.before, self.pool, self.back = (
            conv(padding=1),
            nn.MaxPool2d(*pool, return_indices=True),
            Lambda(self._back),
        )
        self.after, self._moved = conv(4, 4, padding=1), moved

    def _back(self, maxima_and_places: tuple[Tensor, Tensor]) -> Tensor:
        maxima, places = maxima_and_places
        return F.max_unpool2d(maxima, places.flip(2) if self._moved else places, *self._pool, output_size=(16, 16))

    @property
    def _pool(self) -> tuple[int, int, int]:
        return self.pool.kernel_size, self.pool.stride, self.pool.padding

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.back(self.pool(self.before(x))))


@pytest.mark.parametrize("pool", [(2, 2), (3, 2, 1)])
def test_maxima_that_go_back_to_their_places_are_followed(pool):
    """Against what changes when a row of the picture does, tried many times; without overlap it is all that may."""
    torch.manual_seed(0)
    model = Unpooled(*pool).eval()
    info = walk(model, torch.rand(1, 3, 16, 16))["after"]
    assert info.layout.known == "followed from the picture"
    assert (info.size, info.stride) == ((16, 16), (1, 1))
    assert abs(info.start[0] - 0.5) <= 0.5  # half a pixel, by which windows of three stand aside of cells of two
    changed = set()
    with torch.no_grad():
        for row in range(16):
            pictures = torch.rand(100, 3, 16, 16)
            others = pictures.clone()
            others[:, :, row] = torch.rand(100, 3, 16)
            if not torch.equal(model(pictures)[:, :, 8], model(others)[:, :, 8]):
                changed.add(row)
    reach = info.receptive_field[0] / 2  # the middle of a cell of two lies half a pixel beside its rows
    allowed = {row for row in range(16) if abs(row - 8) <= reach}
    assert changed <= allowed
    assert pool != (2, 2) or len(allowed) <= len(changed) + 1


def test_maxima_that_go_elsewhere_have_no_known_places():
    layers = walk(Unpooled(2, 2, moved=True), torch.rand(1, 3, 16, 16))
    assert layers["after"].layout is None or layers["after"].layout.known != "followed from the picture"
