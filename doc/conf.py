"""Sphinx: numpydoc, the gallery of examples, the pydata theme. ``make doc`` builds it."""

import os

# The gallery looks up what examples name, IterativeImputer, too.
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sphinx_gallery.sorting import ExplicitOrder

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
    "sphinx_design",
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
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

# In the order of learning.
_ORDER = (
    *("one_matrix", "pipeline", "collection_of_tasks", "search", "watching", "sharing"),
    *("flower", "mixture_moves", "mixture_known_noise", "mixture_trajectories"),
    *("dictionary", "sources", "deconvolution", "own_problem", "beamforming"),
)

sphinx_gallery_conf = {
    "within_subsection_order": ExplicitOrder([*(f"plot_{name}.py" for name in _ORDER), "*"]),
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
