"""What notebooks show of an estimator and its optimizer."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline

from sklearn_gso import GSOGaussianMixture, GSOMatrixCompleter, LearnedOptimizer


def described(optimizer, **entries):
    return LearnedOptimizer(optimizer.weights, {**optimizer.description, **entries})


@pytest.mark.parametrize(
    "estimator",
    [GSOMatrixCompleter(n_init=1, random_state=0), GSOGaussianMixture(2, n_init=1, random_state=0)],
)
def test_a_fitted_estimator_shows_what_its_optimizer_was_trained_on(estimator):
    estimator.fit(np.random.RandomState(0).randn(12, 4))
    trained_on = estimator.learned_optimizer_.description["trained_on"]
    for shown in (estimator._repr_html_(), estimator._repr_mimebundle_()["text/html"]):
        assert "sk-top-container" in shown  # scikit-learn's own diagram
        assert trained_on in shown


def test_a_description_is_text_and_never_html():
    """Descriptions come from files of others."""
    pretrained = LearnedOptimizer.load_pretrained()
    evil = described(pretrained, trained_on="<script>alert(1)</script>", more={"<b>": ["<i>"]})
    shown = GSOMatrixCompleter(optimizer=evil)._repr_html_()
    own = shown[shown.rindex("LearnedOptimizer(rule=") :]
    assert "&lt;script&gt;" in own and "&lt;b&gt;" in own and "&lt;i&gt;" in own
    assert not any(tag in own for tag in ("<script", "<b>", "<i>"))
    path = GSOMatrixCompleter(optimizer="<script>")._repr_html_()
    assert "Learned optimizer: &lt;script&gt;" in path


def test_digests_are_cut_and_other_text_is_not():
    pretrained = LearnedOptimizer.load_pretrained()
    note = "a" * 63 + "g"
    shown = described(pretrained, started_from=pretrained.digest(), note=note)._repr_html_()
    assert pretrained.digest() not in shown and pretrained.digest()[:12] + "..." in shown
    assert note in shown


def test_what_is_shown_before_a_fit_reads_no_file():
    shown = GSOMatrixCompleter(optimizer="no/such/file")._repr_html_()
    assert "no/such/file" in shown
    assert "untrained" in GSOMatrixCompleter(optimizer=None)._repr_html_()


def test_display_is_scikit_learns_choice():
    completer = GSOMatrixCompleter()
    with config_context(display="text"):
        assert not hasattr(completer, "_repr_html_")
        assert completer._repr_mimebundle_() == {"text/plain": repr(completer)}
    assert "GSOMatrixCompleter" in make_pipeline(completer)._repr_html_()
