import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from report_samples import drawn, matrix, sample_picture, sample_report

from featuremaps.errors import OptionError
from featuremaps.report.data import Rejection
from featuremaps.report.explanations import Explanations, HeatmapData
from featuremaps.report.html import PREFIX, render, viewer_files, write
from featuremaps.report.page_path import framed

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028<!--<script>&amp;'\"`${1}"


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            self.scripts.append((self.elements[-1][1], data))

    def script(self, kind):
        return next(text for attributes, text in self.scripts if attributes.get("type") == kind)


def payload_of(text):
    return json.loads(Page(text).script("application/json"))


def test_nothing_refers_to_anything_outside():
    text = render(sample_report())
    for tag, attributes in Page(text).elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    imports = json.loads(Page(text).script("importmap"))["imports"]
    assert all(address.startswith("data:text/javascript;base64,") for address in imports.values())
    for name, source in viewer_files().items():
        # The one address allowed anywhere is a name space, and there is none today; a mask is a picture of the data.
        assert not re.search(r"https?://|[\"'(]//|@import|url\((?!\"\$\{map\}\")", source), name


def test_every_module_that_is_imported_is_in_the_file():
    sources = viewer_files()
    for name, source in sources.items():
        for wanted in re.findall(r'from "([^"]+)"', source):
            assert wanted.startswith(PREFIX), (name, wanted)
            assert wanted.removeprefix(PREFIX) in sources, (name, wanted)
    assert "sections/explanations.js" in sources


def test_a_policy_forbids_fetching():
    metas = [attributes for tag, attributes in Page(render(sample_report())).elements if tag == "meta"]
    policy = next(meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_hostile_names_stay_text():
    picture = sample_picture(HOSTILE, label=HOSTILE, maps=matrix((HOSTILE,), (HOSTILE,), HOSTILE))
    report = sample_report(picture, rejected=(Rejection(HOSTILE, HOSTILE),), findings=(HOSTILE,))
    text = render(report)
    assert [tag for tag, _ in Page(text).elements] == [tag for tag, _ in Page(render(sample_report())).elements]
    assert "\u2028" not in Page(text).script("application/json")
    payload = payload_of(text)
    assert payload["sections"][0]["pictures"][0]["name"] == HOSTILE
    assert payload["rejected"] == [{"name": HOSTILE, "reason": HOSTILE}]


def test_a_hostile_title_stays_text():
    report = sample_report()
    object.__setattr__(report, "title", HOSTILE)
    assert "<img" not in render(report)
    assert "<img" not in framed(render(report), report.title, 720)


def test_a_file_name_that_is_not_text_can_be_written(tmp_path):
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    report = sample_report(sample_picture(name), findings=(name,))
    object.__setattr__(report, "title", name)
    text = write(report, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "caf?.jpg" in text
    assert payload_of(text)["sections"][0]["pictures"][0]["name"] == name


def test_the_demo_fits_in_five_megabytes():
    generator = torch.Generator().manual_seed(0)

    def noise():
        # Photographs compress; noise is the worst that a picture can be.
        return drawn(128).effect_spread(40)

    maps = tuple(
        HeatmapData(method, layer, "tabby", torch.randn(size, size, generator=generator))
        for method in ("a", "b", "c", "d")
        for layer, size in (("layer2", 32), ("layer3", 16), ("layer4", 8))
    )
    pictures = tuple(
        sample_picture(f"{index}.png", seen=noise(), original=noise(), placement=(0.0, 0.0, 128.0, 128.0), maps=maps)
        for index in range(8)
    )
    assert len(render(sample_report(*pictures)).encode()) < 2_000_000


def test_write_makes_folders_and_replaces_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "new" / "folder" / "report.html"
    assert write(sample_report(), str(path)) == path
    before = path.read_text(encoding="utf-8")
    assert before.startswith("<!doctype html>")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(sample_report(findings=()), path)
    assert path.read_text(encoding="utf-8") == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_place_of_a_file_says_what_to_give(tmp_path):
    with pytest.raises(OptionError, match=r"is a folder\. Give a file, such as .*report\.html"):
        write(sample_report(), tmp_path)


def test_without_scripts_the_findings_can_be_read():
    text = render(sample_report())
    body = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "A test report" in body
    assert "The model is wrong on one picture." in body


def test_a_page_in_a_notebook_is_one_sandboxed_frame():
    elements = Page(framed(render(sample_report()), "net", 400)).elements
    assert [tag for tag, _ in elements] == ["iframe"]
    frame = elements[0][1]
    assert frame["height"] == "400"
    assert "allow-same-origin" not in frame["sandbox"]
    assert payload_of(frame["srcdoc"])["title"] == "A test report"


def test_empty_reports_render():
    assert payload_of(render(sample_report(sections=())))["sections"] == []
    assert payload_of(render(sample_report(sections=(Explanations(()),))))["sections"][0]["pictures"] == []
