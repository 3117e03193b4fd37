"""How Sphinx builds the documentation: `make docs` writes build/docs/index.html, from what is here and nothing else."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import featuremaps  # noqa: E402

RUN = os.environ.get("FEATUREMAPS_DOCS_RUN", "1") == "1"
"""Whether tutorials are run and pictures are made; the test of the site leaves both out."""

project, author = "featuremaps", "The featuremaps authors"
version = release = featuremaps.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "command_line",
    "docstrings",
    "guides",
    "method_gallery",
]
exclude_patterns = ["_extensions", "_static", "tutorials", "**/sg_execution_times.rst", "sg_execution_times.rst"]
default_role = "literal"
nitpicky = False
suppress_warnings = ["config.cache"]

# Markdown as on the code's own site: headings can be linked to, and a table may follow a line.
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings: Google style, members in the order of the source, types where the signature stands.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autoclass_content = "class"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
add_module_names = False

sphinx_gallery_conf = {
    "examples_dirs": ["tutorials"],
    "gallery_dirs": ["generated/tutorials"],
    "plot_gallery": str(RUN),
    "image_scrapers": ("scraper.last_value",),
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib|Figure|PIL|Image",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 3600,
    "reset_modules": (),
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,
    "show_signature": False,
}
method_gallery_run = RUN

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "featuremaps"
html_static_path = ["_static"]
html_css_files = ["featuremaps.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = (
    False  # excerpts would be fetched, which a browser refuses to pages that are opened from disk
)
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#6cc3f0", "color-brand-content": "#6cc3f0"},
}
