"""Mixtures, covariances and comparisons that the tests of this folder share."""

import numpy as np
import pytest

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture

KINDS = ("full", "tied", "diag", "spherical")
STARTS = ("random", "k-means++", "matched", "tempered")
each_kind = pytest.mark.parametrize("kind", KINDS)


def _pairs():
    """Every kind with every start; what is not slow has each of them at least once."""
    for i, kind in enumerate(KINDS):
        for j, start in enumerate(STARTS):
            marks = [] if (i - j) % 4 == 2 else [pytest.mark.slow]
            yield pytest.param(kind, start, marks=marks, id=f"{kind}-{start}")


each_kind_and_start = pytest.mark.parametrize(("kind", "start"), list(_pairs()))


def em(n_components=3, **parameters):
    return EMGaussianMixture(n_components, **{"random_state": 0, "max_iter": 500, **parameters})


def gso(n_components=3, **parameters):
    return GSOGaussianMixture(n_components, **{"random_state": 0, "optimizer": None, **parameters})


each_judge = pytest.mark.parametrize("optimizer", [None, "pretrained"], ids=["chance", "judge"])
each_mixture = pytest.mark.parametrize("mixture", [em, gso], ids=["em", "gso"])
# GSO differs from EM in its moves, which know the kind by what EM makes of it.
each_mixture_and_kind = pytest.mark.parametrize(
    ("mixture", "kind"),
    [
        pytest.param(
            mixture,
            kind,
            marks=[pytest.mark.slow] if mixture is gso and kind in ("tied", "spherical") else [],
            id=f"{kind}-{mixture.__name__}",
        )
        for mixture in (em, gso)
        for kind in KINDS
    ],
)


def learned_nothing(mixture, **parameters):
    """For collections, without the time of training, and of several starts."""
    more = {} if mixture is em else {"n_epochs": 0, "n_init": 1}
    return mixture(**{**more, **parameters})


def of_kind(full, kind):
    """Covariances (K, D, D) as another type has them."""
    return {
        "full": full,
        "tied": full.mean(0),
        "diag": np.einsum("kdd->kd", full),
        "spherical": np.einsum("kdd->k", full) / full.shape[1],
    }[kind]


def identity(kind, k, d):
    return of_kind(np.stack([np.eye(d)] * k), kind)


def fitted(mixture):
    names = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
    return [getattr(mixture, name) for name in names]


def assert_same_fit(a, b, rtol=1e-8, atol=1e-8):
    for left, right in zip(fitted(a), fitted(b), strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=atol)
