"""Sphinx configuration; build with ``sphinx-build -W docs docs/_build/html``."""

from importlib.metadata import version as installed_version

project = "sknorm"
author = "The sknorm developers"
copyright = "2026, The sknorm developers"
version = release = installed_version("sknorm")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "examples"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"  # docstrings say it in words

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sknorm"


def keep_text(app, env, node, contnode):
    """Show labels and terms of scikit-learn's documentation, in inherited docstrings, as text."""
    inherited = node["reftype"] in ("ref", "term") and node["refdoc"].startswith("api/")
    return contnode if inherited else None


def setup(app):
    """Register the handler; called by Sphinx."""
    app.connect("missing-reference", keep_text)
