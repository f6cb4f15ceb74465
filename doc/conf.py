"""Sphinx: numpydoc, the gallery of examples, the pydata theme. ``make doc`` builds it."""

import os

from sklearn_gso import __version__

os.environ.setdefault("MPLBACKEND", "Agg")

project = "sklearn_gso"
author = "the sklearn_gso developers"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = ["_build"]
default_role = "py:obj"
# The gallery makes functions part of the configuration, which cannot be cached then.
suppress_warnings = ["config.cache"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_gso"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}


html_show_sourcelink = False


def leave_to_others(app, what, name, obj, skip, options):
    """Members that come from scikit-learn and torch are documented there."""
    if what != "class":
        return None
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or ""
    return None if module.startswith("sklearn_gso") else True


def setup(app):
    app.connect("autodoc-skip-member", leave_to_others)
