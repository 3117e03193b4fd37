import json

from report_samples import sample_report

from featuremaps.report.data import Provenance, ReportData
from featuremaps.report.explanations import Explanations


class Broken:
    kind = "explanations"
    title = "Broken"
    colormaps = ()

    def to_json(self):
        raise ValueError("no maps here")


def test_json_has_everything():
    payload = json.loads(json.dumps(sample_report().to_json(), allow_nan=False))
    assert payload["schema"] == 1
    assert payload["findings"] == ["The model is wrong on one picture."]
    assert payload["rejected"] == [{"name": "broken.jpg", "reason": "truncated"}]
    assert payload["provenance"]["methods"][0]["paper"] == "Selvaraju et al. 2017"
    assert payload["provenance"]["seed"] == 0
    assert payload["provenance"]["versions"] == {"featuremaps": "0.1.0"}
    assert [(part["kind"], part["title"]) for part in payload["sections"]] == [
        ("explanations", "What decided each picture")
    ]


def test_a_section_that_fails_fails_alone():
    report = sample_report(sections=(Broken(), Explanations(())))
    first, second = report.to_json()["sections"]
    assert first == {"kind": "failure", "title": "Broken", "message": "ValueError: no maps here"}
    assert second["kind"] == "explanations"


def test_an_empty_report_is_a_report():
    payload = ReportData("Nothing", Provenance("demo")).to_json()
    assert payload["sections"] == payload["findings"] == payload["rejected"] == []
