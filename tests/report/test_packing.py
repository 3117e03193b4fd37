"""What the writer packs: repeated pictures once, maps deflated, and nothing lost."""

import json
import zlib
from base64 import b64decode, b64encode

import torch
from report_samples import MAP, drawn, sample_picture, sample_report

from featuremaps.report.encode import quantise
from featuremaps.report.explanations import Explanations, HeatmapData
from featuremaps.report.packing import packed


def unpacked(value, media):
    """What the viewer makes of it."""
    if isinstance(value, list):
        return [unpacked(part, media) for part in value]
    if not isinstance(value, dict):
        return value
    if "$media" in value:
        return media[value["$media"]]
    fields = {name: unpacked(part, media) for name, part in value.items() if name != "deflated"}
    if "deflated" in value:
        fields["integers"] = b64encode(zlib.decompress(b64decode(value["deflated"]))).decode()
    return fields


def report():
    smooth = torch.linspace(-1, 1, 40)[:, None] * torch.ones(40)
    maps = (HeatmapData("lrp", "input", "tabby", smooth), HeatmapData("grad_cam", "layer4", "tabby", MAP))
    pictures = tuple(sample_picture(f"{i}.png", seen=drawn(200 + 8 * (i // 2)), maps=maps) for i in range(4))
    return sample_report(sections=(Explanations(pictures), Explanations(pictures, title="Again")))


def test_nothing_is_lost_and_much_is_saved() -> None:
    whole = report().to_json()
    small = json.loads(json.dumps(packed(whole)))
    media = small.pop("media")
    assert len(media) == 2
    assert unpacked(small, media) == json.loads(json.dumps(whole))
    assert len(json.dumps(small)) + sum(map(len, media)) < 0.35 * len(json.dumps(whole))


def test_what_stands_once_or_does_not_shrink_stays() -> None:
    content = {"picture": "data:image/png;base64," + 300 * "A", "map": quantise(MAP), "text": 2 * ["data:,"]}
    assert packed(content) == {**content, "media": []}
