"""The path of a page is a path, and shows the page in a notebook."""

import webbrowser
from html.parser import HTMLParser

import pytest
from report_samples import sample_report

from featuremaps.report import page_path
from featuremaps.report.html import render, write
from featuremaps.report.page_path import PagePath


class Frame(HTMLParser):
    """The attributes of the frame in a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.attributes = {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "iframe":
            self.attributes = dict(attributes)


def test_a_written_report_shows_itself_in_a_notebook(tmp_path):
    path = write(sample_report(), tmp_path / "report & all.html")
    shown = path._repr_html_()
    assert Frame(shown).attributes["srcdoc"] == path.read_text(encoding="utf-8") == render(sample_report())
    assert "report &amp; all.html</code>, " in shown
    assert Frame(path.frame(height=300)).attributes["height"] == "300"


def test_it_is_the_same_path_as_any_other(tmp_path):
    path = write(sample_report(), str(tmp_path / "report.html"))
    assert path == tmp_path / "report.html"
    assert {path: 1}[tmp_path / "report.html"] == 1
    assert path.with_suffix(".png").name == "report.png"


def test_what_is_no_page_shows_as_text(tmp_path, monkeypatch):
    path = write(sample_report(), tmp_path / "report.html")
    assert PagePath(tmp_path)._repr_html_() is None
    assert path.with_name("gone.html")._repr_html_() is None
    monkeypatch.setattr(page_path, "MOST_FRAMED", 1000)
    assert "too large for a notebook" in path._repr_html_()
    assert "<iframe" not in path._repr_html_()


def test_show_opens_it_in_the_browser(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.chdir(tmp_path)
    write(sample_report(), "report.html").show()
    assert opened == [(tmp_path / "report.html").as_uri()]


def test_a_page_that_is_gone_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        PagePath(tmp_path / "gone.html").frame()
