"""The last map a person would name, over the families in use, a quarter as wide, with random weights."""

from dataclasses import dataclass

import pytest
import timm
import torch
from benchmarks.resnet20 import resnet20
from timm.models.gcvit import GlobalContextVit
from timm.models.volo import VOLO
from torch import Tensor, nn
from torchvision import models

from families import quarter_of
from featuremaps.errors import LayoutError
from featuremaps.layers import walk
from featuremaps.layers.model_ends import main_tensor
from nets import SqueezeExcite, TinyUNet, plain

LAST = {
    "alexnet": (224, "features"),
    "vgg11_bn": (224, "features"),
    "squeezenet1_0": (96, "features"),
    "resnet18": (64, "layer4"),
    "resnext50_32x4d": (64, "layer4"),
    "densenet121": (64, "features"),
    "googlenet": (64, "inception5b"),
    "inception_v3": (128, "Mixed_7c"),
    "mobilenet_v2": (64, "features"),
    "mobilenet_v3_small": (64, "features"),
    "shufflenet_v2_x0_5": (64, "conv5"),
    "efficientnet_b0": (64, "features"),
    "regnet_x_400mf": (64, "trunk_output"),
    "convnext_tiny": (64, "features"),
    "swin_t": (64, "norm"),
    "swin_v2_t": (64, "norm"),
    "mnasnet0_5": (64, "layers"),
}


@pytest.mark.parametrize("family", LAST)
def test_torchvision(family):
    size, last = LAST[family]
    layers = walk(quarter_of(family), torch.rand(1, 3, size, size))
    assert layers.last == last
    assert layers[last].positions > 1
    assert not any(info.note for info in layers if info.layout)
    assert layers.stages[-1] == last


TIMM = {
    "resnet18": ({}, 64, "layer4"),
    "convnext_atto": ({}, 64, "stages"),
    "vit_tiny_patch16_224": ({"img_size": 64}, 64, "blocks.11.norm1"),
    "vit_tiny_patch16_224 pooled": ({"img_size": 64, "class_token": False, "global_pool": "avg"}, 64, "blocks"),
    "deit_tiny_distilled_patch16_224": ({"img_size": 64}, 64, "blocks.11.norm1"),
    "swin_tiny_patch4_window7_224": ({"img_size": 64, "window_size": 2}, 64, "norm"),
    "mixer_s32_224": ({"img_size": 64}, 64, "norm"),
    "efficientnet_b0": ({}, 64, "bn2"),
    # Class tokens look at the patches of this layer twice, each time through a norm of their own.
    "cait_xxs24_224": ({"img_size": 64, "depth": 1}, 64, "blocks"),
    "xcit_nano_12_p16_224": ({"img_size": 64, "depth": 1}, 64, "blocks.0"),
}


@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    options, size, last = TIMM[name]
    layers = walk(timm.create_model(name.split()[0], pretrained=False, **options), torch.rand(1, 3, size, size))
    assert layers.last == last
    assert layers[last].positions > 1


def test_patches_that_class_tokens_look_at_twice_are_told_before_their_norms():
    """VOLO's class token looks at the patches twice, and an auxiliary head at what a last norm makes of them."""
    volo = VOLO(layers=(1, 1, 1, 1), img_size=64, embed_dims=(32, 64, 64, 64), num_heads=(2, 2, 2, 2), num_classes=4)
    assert walk(volo, torch.rand(1, 3, 64, 64)).last == "network.4"


def test_windows_that_are_asked_by_queries_of_the_whole_picture_stay_where_they_are():
    """GC ViT; and its stages, which give channels first what their last layer gives channels last, go by their name."""
    model = GlobalContextVit(
        img_size=64, window_size=(4, 4, 2, 2), embed_dim=16, depths=(2, 2, 1, 1), num_heads=(2,) * 4
    )
    layers = walk(model, torch.rand(1, 3, 64, 64))
    assert layers.last == "stages"
    assert [layers[f"stages.{stage}"].size for stage in range(4)] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert all(layers[f"stages.{stage}"].whole for stage in range(4))
    assert all(
        layers[f"stages.{stage}.blocks.1"].layout == layers[f"stages.{stage}.blocks.0"].layout for stage in (0, 1)
    )


class _Steps(nn.Module):
    """A recurrent layer reads a convolution's map, and the head reads its last step, or all of them."""

    def __init__(self, mean: bool) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv1d(1, 4, 5, padding=2), nn.ReLU())
        self.lstm, self.head, self.mean = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3), mean

    def forward(self, signals: Tensor) -> Tensor:
        steps = self.lstm(self.cnn(signals).transpose(1, 2))[0]
        return self.head(steps.mean(1) if self.mean else steps[:, -1])


def test_a_recurrent_layer_of_which_one_step_is_read_is_no_map():
    assert walk(_Steps(mean=False), torch.rand(1, 1, 16)).last == "cnn"
    assert walk(_Steps(mean=True), torch.rand(1, 1, 16)).last == "lstm"


def test_a_last_pooling_layer_is_passed_over_and_a_sequence_that_ends_with_one_is_not():
    flat = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 4))
    assert walk(flat, torch.rand(1, 3, 8, 8)).last == "1"
    named = nn.ModuleDict({"features": flat[:3], "head": flat[3:]})
    named.forward = lambda x: named["head"](named["features"](x))
    assert walk(named, torch.rand(1, 3, 8, 8)).last == "features"


FORMS = {
    "one score, squeezed": lambda scores: scores[:, 0],
    "a row for each head": lambda scores: scores.view(len(scores), 2, 3),
    "a step beside the scores": lambda scores: scores.unsqueeze(1),
    "the batch second": lambda scores: scores.view(len(scores), 2, 3).transpose(0, 1),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pooled", [True, False], ids=["averaged", "flattened"])
def test_a_body_that_all_scores_are_made_of_is_the_last_map_in_whatever_form_they_are(form, pooled):
    """They are no rows of boxes, of which the last map would belong to one head."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU())
            self.head = nn.Linear(8 if pooled else 512, 6)

        def forward(self, x):
            maps = self.features(x)
            return FORMS[form](self.head(maps.mean((2, 3)) if pooled else maps.flatten(1)))

    assert walk(Model(), torch.rand(2, 3, 8, 8)).last == "features"
    assert walk(Model(), torch.rand(1, 3, 8, 8)).last == "features"


STAGES = {
    "resnet18": ("relu", "layer1", "layer2", "layer3", "layer4"),
    "densenet121": (
        "features.relu0",
        "features.denseblock1",
        "features.denseblock2",
        "features.denseblock3",
        "features",
    ),
    "convnext_tiny": ("features.1", "features.3", "features.5", "features"),
    "swin_t": ("features.1", "features.3", "features.5", "norm"),
    "mobilenet_v2": ("features.1", "features.3", "features.6", "features.13", "features"),
    "googlenet": ("conv1", "conv3", "inception3b", "inception4e", "inception5b"),
}


@pytest.mark.parametrize("family", STAGES)
def test_stages_are_the_last_of_each_size(family):
    layers = walk(quarter_of(family), torch.rand(1, 3, 64, 64))
    assert layers.stages == STAGES[family]
    sizes = [layers[name].size for name in layers.stages]
    assert len(set(sizes)) == len(sizes)
    assert [layers[name].order for name in layers.stages] == sorted(layers[name].order for name in layers.stages)


def test_a_vision_transformer_whose_head_reads_the_class_token_only():
    model = models.VisionTransformer(32, 16, num_layers=12, num_heads=2, hidden_dim=32, mlp_dim=64)
    assert not model.heads.head.weight.any()  # torchvision's head begins as zeros: no gradient, yet a connection
    layers = walk(model, torch.rand(2, 3, 32, 32))
    assert layers.last == "encoder.layers.encoder_layer_11.ln_1"
    assert layers[layers.last].layout.prefix == 1


def test_the_cifar_resnet():
    layers = walk(resnet20(), torch.rand(1, 3, 32, 32))
    assert layers.last == "layer3"
    assert layers.stages == ("layer1", "layer2", "layer3")


def test_the_real_weights_fit(shared):
    model = resnet20(shared / "models" / "resnet20_cifar10.safetensors")
    assert walk(model, torch.rand(1, 3, 32, 32)).last == "layer3"


def test_plain_models():
    assert walk(plain(), torch.rand(1, 3, 32, 32)).last == "3"
    assert walk(SqueezeExcite(), torch.rand(1, 3, 32, 32)).last == "project"


@pytest.mark.parametrize(
    "tail",
    [
        [nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(8, 4, 1), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(1)],
        [nn.Dropout(), nn.Identity(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveMaxPool2d(1), nn.Flatten()],
    ],
)
def test_class_maps_are_not_features(tail):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), *tail)
    assert walk(model, torch.rand(1, 3, 8, 8)).last == "1"


@pytest.mark.parametrize(
    ("name", "head", "last"), [("resnet18", "fc", "layer4"), ("mobilenet_v2", "classifier", "features")]
)
def test_an_embedding_has_as_many_channels_as_outputs(name, head, last):
    model = quarter_of(name)
    setattr(model, head, nn.Identity())
    assert walk(model, torch.rand(1, 3, 64, 64)).last == last


def test_the_deepest_of_several_maps_is_the_last():
    class Backbone(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind
            self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)

        def forward(self, x):
            first = self.first(x)
            return self.kind([first, self.second(first)])

    for kind in (list, tuple, lambda maps: dict(zip("ab", maps, strict=True))):
        layers = walk(Backbone(kind), torch.rand(1, 3, 16, 16))
        assert layers.last == "second"
        assert layers.stages == ("first", "second")


def test_as_many_channels_as_classes_are_features_where_more_is_computed():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    assert walk(model, torch.rand(1, 3, 8, 8)).last == "1"


def test_values_times_transposed_attention_keep_the_places_of_the_queries():
    class NonLocal(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.key, self.value, self.out = nn.Conv2d(3, 8, 4, 4), *(nn.Conv2d(8, 8, 1) for _ in range(3))
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            maps = self.stem(x)
            key, value = self.key(maps).flatten(2), self.value(maps).flatten(2)
            attention = (maps.flatten(2).transpose(1, 2) @ key).softmax(-1)
            seen = (value @ attention.transpose(1, 2)).view_as(maps)
            return self.head((maps + self.out(seen)).mean((2, 3)))

    layers = walk(NonLocal().eval(), torch.rand(1, 3, 16, 24))
    assert layers.last == "out"
    assert layers["out"].size == (4, 6)
    assert layers["out"].whole


def test_where_there_are_only_class_maps_they_will_do():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert walk(model, torch.rand(1, 3, 8, 8)).last == "0"


def test_a_branch_that_does_not_reach_the_output_does_not_count():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.aside = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
            self.fc = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.body(x)
            self.aside(x)
            return self.fc(x.mean((2, 3)))

    assert walk(Branch(), torch.rand(1, 3, 8, 8)).last == "body"


def test_a_pooling_into_cells_is_passed_over_and_a_convolution_after_it_is_not():
    pooled = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4))
    assert walk(pooled, torch.rand(1, 3, 8, 8)).last == "0"
    first = nn.Sequential(nn.AdaptiveAvgPool2d(9), nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(392, 4))
    assert walk(first, torch.rand(1, 3, 32, 32)).last == "1"


def test_segmentation_and_detection():
    segmentation = models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    assert walk(segmentation, torch.rand(1, 3, 64, 64)).last == "backbone.layer4"
    detection = models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, min_size=64, max_size=64
    )
    assert walk(detection, torch.rand(1, 3, 64, 64)).last.startswith("backbone.body")
    assert walk(TinyUNet(), torch.rand(1, 3, 32, 32)).last == "merge"


def test_a_model_without_a_head_ends_with_its_last_map():
    body = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU())
    assert walk(body, torch.rand(1, 3, 32, 32)).last == "3"


def test_the_main_tensor_of_any_output():
    one, two = torch.zeros(1), torch.ones(1)
    assert main_tensor(one) is one
    assert main_tensor((None, two)) is two
    assert main_tensor({"aux": one, "out": two}) is two
    assert main_tensor({"loss": None, "logits": two}) is two
    assert main_tensor([{"boxes": two}]) is two
    assert main_tensor("text") is None


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 2)])
def test_a_class_map_of_any_size_is_passed_over(strides):
    def block(of, to, stride):
        return nn.Sequential(nn.Conv2d(of, to, 3, stride, 1), nn.BatchNorm2d(to), nn.ReLU())

    body = [block(3, 8, strides[0]), block(8, 16, strides[1])]
    pictures = torch.rand(1, 3, 32, 48)
    assert walk(nn.Sequential(*body, nn.Conv2d(16, 4, 1)), pictures).last == "1"
    assert walk(nn.Sequential(*body, nn.Conv2d(16, 4, 1), nn.Upsample(size=(32, 48))), pictures).last == "1"
    assert walk(nn.Sequential(*body), pictures).last == "1"
    assert walk(nn.Sequential(*body, nn.Conv2d(16, 16, 3, 1, 1)), pictures).last == "2"


@dataclass
class Returned:
    """A class map, packed."""

    loss: Tensor
    map: Tensor


@pytest.mark.parametrize(
    ("pack", "last"),
    [
        (lambda a, b, c: (a, b, c), "third"),
        (lambda a, b, c: {"feature_maps": (a, b, c)}, "third"),
        (lambda a, b, c: ([a, b, c],), "third"),
        (lambda a, b, c: (a, b, c, c.mean((2, 3))), "third"),
        (lambda a, b, c: (a, c.mean((2, 3))), "third"),
        (lambda a, b, c: (c.mean((2, 3)), a), "third"),
        (lambda a, b, c: (b.mean(), b), "second"),
        (lambda a, b, c: Returned(b.mean(), b), "second"),
    ],
)
def test_backbones_however_they_pack_their_maps(pack, last):
    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = (nn.Conv2d(i, 4, 3, 2, 1) for i in (3, 4, 4))

        def forward(self, x):
            a = self.first(x)
            b = self.second(a)
            return pack(a, b, self.third(b))

    assert walk(Backbone(), torch.rand(1, 3, 32, 32)).last == last


def test_of_masks_of_queries_it_is_the_map_that_they_are_made_of() -> None:
    """As in MaskFormer: queries look at the coarsest map, and weigh the channels of the finest."""

    class Masks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 4, 4)
            self.places = nn.Conv2d(8, 8, 3, padding=1)
            self.queries = nn.Parameter(torch.randn(1, 3, 8))
            self.keys, self.values, self.masks = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            fine = self.fine(x)
            tokens = self.coarse(fine).flatten(2).mT
            places = self.places(fine)
            attention = (self.queries @ self.keys(tokens).mT).softmax(-1)
            return torch.einsum("bqc,bchw->bqhw", self.masks(attention @ self.values(tokens)), places)

    assert walk(Masks().eval(), torch.rand(1, 3, 64, 64)).last == "places"


class Shuffled(nn.Module):
    """Two convolutions, whose places are then put in another order, and so many layers after that."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))
        self.after = nn.Sequential(*(nn.Linear(8, 8) for _ in range(after)))
        self.head = nn.Linear(8, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = self.stem(inputs).flatten(2).transpose(1, 2)
        order = torch.arange(tokens.shape[1]).flip(0).sin().argsort()
        return self.head(self.after(tokens[:, order]).mean(1))


def test_where_places_are_lost_early_there_is_no_last_map_and_a_short_head_may_lose_them() -> None:
    pictures = torch.rand(1, 3, 16, 16)
    layers = walk(Shuffled(12).eval(), pictures)
    assert layers.last_map is None
    with pytest.raises(LayoutError, match=r"no 'last' map of Shuffled: of 'after.0' and others .* layout="):
        layers.resolve("last")
    assert walk(Shuffled(2).eval(), pictures).last == "stem"


class _Block(nn.Module):
    """Gives a tuple, as blocks of many libraries do: what comes after its last layer is its own."""

    def __init__(self, packs: bool) -> None:
        super().__init__()
        self.norm, self.wide, self.narrow, self.packs = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8), packs

    def forward(self, x):
        y = x + self.narrow(self.wide(self.norm(x)).relu()).mean(1, keepdim=True)
        return (y, None) if self.packs else y


class _Blocks(nn.Module):
    def __init__(self, packs: bool, head: str = "mean") -> None:
        super().__init__()
        self.patches, self.blocks = nn.Conv2d(3, 8, 4, 4), nn.ModuleList(_Block(packs) for _ in range(2))
        self.head, self.how = nn.Linear(8, 5), head

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if self.how == "token":
            tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
            tokens = tokens[0] if block.packs else tokens
        return self.head(tokens[:, 0] if self.how == "token" else tokens.mean(1))


@pytest.mark.parametrize("packs", [False, True], ids=["alone", "in a tuple"])
def test_a_block_that_gives_a_tuple_is_the_last_map_as_one_that_gives_a_tensor(packs: bool) -> None:
    layers = walk(_Blocks(packs), torch.rand(1, 3, 16, 24))
    assert layers.last == "blocks.1"
    assert layers[layers.last].size == (4, 6)


def test_a_block_whose_places_reach_nothing_is_not_the_last_map() -> None:
    """As where the class token alone goes on; whatever the block gives."""
    lasts = [walk(_Blocks(packs, "token"), torch.rand(1, 3, 16, 24)).last for packs in (False, True)]
    assert lasts == ["blocks.1.norm"] * 2


class Experts(nn.Module):
    """A mixture of experts: each token goes to the one that a gate picks."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 2)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)) for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.reshape(-1, 8)
        share, which = self.gate(rows).softmax(-1).max(-1)
        out = torch.zeros_like(rows)
        for number, expert in enumerate(self.experts):
            chosen = (which == number).nonzero()[:, 0]
            out = out.index_add(0, chosen, share[chosen, None] * expert(rows[chosen]))
        return out.view_as(tokens)


class Routed(nn.Module):
    """A transformer, some of whose blocks are mixtures of experts."""

    def __init__(self, mixed: set[int], depth: int = 3) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(depth))
        self.blocks = nn.ModuleList(
            Experts() if number in mixed else nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
            for number in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        for norm, block in zip(self.norms, self.blocks, strict=True):
            tokens = tokens + tokens.mean(1, keepdim=True)
            tokens = tokens + block(norm(tokens))
        return self.head(tokens.mean(1))


@pytest.mark.parametrize("mixed", [{0, 1, 2}, {0}, {1}], ids=["all", "the first", "the second"])
def test_an_early_layer_is_not_the_last_map_where_experts_lose_the_places_of_later_blocks(mixed: set[int]) -> None:
    layers = walk(Routed(mixed).eval(), torch.rand(1, 3, 16, 16))
    assert layers.last_map is None
    with pytest.raises(LayoutError, match="places in the picture are unknown"):
        layers.resolve("last")


def test_what_experts_of_the_last_block_read_is_the_last_map() -> None:
    assert walk(Routed({2}).eval(), torch.rand(1, 3, 16, 16)).last == "norms.2"


def test_what_a_deep_head_cuts_out_for_boxes_takes_no_last_map_away() -> None:
    """As in Mask R-CNN, whose head of masks may have more layers than a small backbone."""

    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 8, 4, 4)
            self.mix = nn.Conv2d(8, 8, 3, padding=1)
            self.masks, self.head = nn.Sequential(*(nn.Conv2d(8, 8, 1) for _ in range(6))), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.mix(self.body(x))
            corners = maps.mean((0, 1)).flatten().topk(5).indices % 3
            cut = torch.stack([maps[0, :, at : at + 2, :2] for at in corners.tolist()])[corners.argsort()]
            return self.head(self.masks(cut).mean((0, 2, 3)))[None] + self.head(maps.mean((2, 3)))

    assert walk(Cut().eval(), torch.rand(1, 3, 16, 16)).last == "mix"
