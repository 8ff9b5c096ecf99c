"""Sphinx configuration; CONTRIBUTING.md says how to build."""

import inspect
import sys
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path
from pkgutil import iter_modules

from sphinx.pycode import ModuleAnalyzer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import inventories  # noqa: E402

project = "sknorm"
author = "The sknorm developers"
copyright = "2026, The sknorm developers"
version = release = installed_version("sknorm")
REPOSITORY = "https://github.com/sknorm/sknorm"
SOURCES = f"{REPOSITORY}/blob/{'main' if 'dev' in release else f'v{release}'}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "formulas",
    "parameter_groups",
    "results_table",
    "unreleased",
]
templates_path = ["_templates"]
smartquotes = False  # values are quoted as code is
default_role = "code"
exclude_patterns = ["_build", "_ext", "_templates", "examples"]

myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say it in words
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# What numpydoc checks in each docstring that is shown: all but matters of taste. What a class has
# from scikit-learn is checked there.
numpydoc_validation_checks = {"all", "ES01", "EX01", "GL01", "GL03", "PR03", "PR04", "PR07"}
numpydoc_validation_checks |= {"RT01", "RT02", "RT03", "SA01", "SA03", "SS05", "SS06", "YD01"}
numpydoc_validation_exclude = {
    r"\.(get_metadata_routing|get_params|set_params|set_callbacks|set_\w+_request|score)$",
    r"\.Stacked\w+\.(decision_function|inverse_transform|predict\w*|score_samples|transform)$",
    r"\.penalties\.\w+\.\w+$",  # one line each: the engine calls them
    r"\.(NormCache|RegularizationPath|d2_pinball_scorer|roc_auc_scorer)$",  # values
}

intersphinx_mapping = inventories.mapping(HERE / "_build" / "inventories")
intersphinx_timeout = 3  # a build without a network goes on with what it has

# The first chapters of the gallery: folders with a GALLERY_HEADER.rst.
CHAPTERS = ("first_steps", "predictions", "tuning", "running", "claims")
EXAMPLES = HERE / "examples"
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "subsection_order": [
        *(f"examples/{name}" for name in CHAPTERS if (EXAMPLES / name).is_dir()),
        "*",  # others last
    ],
    "within_subsection_order": "FileNameSortKey",
    "ignore_pattern": r"^(?!plot_)",  # what examples import from beside them
    "nested_sections": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "backreferences_dir": "api/examples",
    "doc_module": ("sknorm",),
    "min_reported_time": 1,
}

html_theme = "pydata_sphinx_theme"
html_title = "sknorm"
html_static_path = ["_static"]
html_css_files = ["sknorm.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "github_url": REPOSITORY,
    "header_links_before_dropdown": 7,
    "logo": {"text": "sknorm"},
    "navbar_align": "left",
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {page: [] for page in ("index", "getting_started", "search", "genindex")}
copybutton_exclude = ".linenos, .gp, .go"


def linkcode_resolve(domain, info):
    """Address of the source of an object; called by Sphinx."""
    value = import_module(info["module"])
    for name in info["fullname"].split("."):
        value = getattr(value, name, None)
    value = inspect.unwrap(getattr(value, "fget", value))
    try:
        lines, start = inspect.getsourcelines(value)
        path = Path(inspect.getsourcefile(value)).relative_to(HERE.parent / "sknorm")
    except (TypeError, OSError, ValueError):  # not of this package, or no Python
        return None
    return f"{SOURCES}/sknorm/{path.as_posix()}#L{start}-L{start + len(lines) - 1}"


def skip(app, what, name, value, skipped, options):
    """Leave out what a list of attributes says already, and requests of metadata."""
    if name.endswith("_request") or name == "get_metadata_routing":
        return True
    learned = name.endswith("_") and isinstance(value, property)
    return True if learned else None


def describe(app, what, name, value, options, lines):
    """Take the text below a value's assignment from the module that it stands in."""
    if what != "data":
        return
    package, short = name.rsplit(".", 1)
    for module in iter_modules(import_module(package).__path__, f"{package}."):
        texts = ModuleAnalyzer.for_module(module.name).find_attr_docs()
        lines[:] = texts.get(("", short), lines)


def keep_text(app, env, node, contnode):
    """Show labels and terms of scikit-learn's documentation, in inherited docstrings, as text."""
    inherited = node["reftype"] in ("ref", "term") and node["refdoc"].startswith("api/")
    return contnode if inherited else None


def setup(app):
    """Register the handlers; called by Sphinx."""
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", describe, priority=0)
    app.connect("missing-reference", keep_text)
