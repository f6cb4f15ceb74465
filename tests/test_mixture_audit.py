"""What an audit of the mixtures found, so that it does not come back."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from sklearn_gso import GSOGaussianMixture, _mixture_solving
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy
from tests.test_mixture import KINDS, assert_same_fit, em, gso
from tests.test_processes import run

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def X():
    return make_mixture_tasks(1, n_samples=120, n_components=3, random_state=0)[0][0]


@each_kind
@pytest.mark.parametrize("start", ["random", "k-means++", "matched", "tempered"])
def test_given_centres_are_where_every_start_begins(kind, start, X):
    """One iteration from there is one iteration of scikit-learn."""
    means = X[[0, 40, 80]]
    settings = {"covariance_type": kind, "means_init": means, "max_iter": 1}
    covariances = em(covariance_type=kind).fit(X).precisions_
    fits = [
        em(init_params=s, precisions_init=covariances, **settings).fit(X) for s in (start, "random")
    ]
    assert_same_fit(*fits, 0, 0)


@each_kind
def test_warm_start_goes_on_whatever_the_inits(kind, X):
    settings = {
        "covariance_type": kind,
        "means_init": X[:3],
        "weights_init": [0.2, 0.3, 0.5],
        "tol": 0,
    }
    warm = em(warm_start=True, max_iter=3, **settings)
    for _ in range(4):
        warm.fit(X)
    assert_same_fit(warm, em(max_iter=12, **settings).fit(X), 1e-9, 1e-9)


def test_warm_start_never_ends_lower(X):
    for seed in range(5):
        model = em(4, random_state=seed).fit(X)
        before = model.lower_bound_
        model.set_params(init_params="tempered", warm_start=True).fit(X)
        assert model.lower_bound_ >= before - 1e-9


@pytest.mark.parametrize("types", [("tied", "diag"), ("diag", "tied")])
def test_warm_start_of_another_type_is_refused(types, X):
    model = em(2, covariance_type=types[0], warm_start=True).fit(X)
    with pytest.raises(ValueError, match="warm_start needs the covariance_type"):
        model.set_params(covariance_type=types[1]).fit(X)


@pytest.mark.parametrize("mixture", [em, gso])
@pytest.mark.parametrize("closeness", [1e-3, 1e-7])
def test_nearly_equal_features(mixture, closeness, rng):
    """Differences of large sums have no digits left for the thin direction."""
    thick = rng.standard_normal((200, 1))
    data = np.c_[thick, thick + closeness * rng.standard_normal((200, 1))]
    data[100:] += 5
    ours = mixture(2, reg_covar=0).fit(data)
    theirs = GaussianMixture(2, reg_covar=0, random_state=0).fit(data)
    np.testing.assert_allclose(ours.score(data), theirs.score(data), atol=0.02)


@pytest.mark.parametrize("covariances", [[None, 1], [1, None]])
def test_covariances_of_some_tasks_only(covariances, X):
    given = [None if c is None else np.stack([np.eye(2)] * 3) for c in covariances]
    with pytest.raises(ValueError, match="covariances must be given for every task or for none"):
        em().fit([X, X], covariances=given)


def test_known_covariances_are_copied(X):
    known = np.stack([np.eye(2)] * 3)
    model = em().fit([X, X], covariances=known)
    before = model.score([X])
    known *= 100
    assert model.score([X]) == before


def test_held_weights_go_with_all_that_is_a_component(generator):
    """Where only weights tell components apart, a move carries means and covariances."""
    X, truth = make_mixture_tasks(
        2, n_samples=300, n_components=3, spread=6, concentration=1.0, random_state=2
    )
    weights = torch.log(torch.from_numpy(truth.weights))[..., None]
    centre = X.mean(1, keepdims=True)
    problem = MixtureFreeEnergy(torch.from_numpy(X - centre), 3, fixed={"weights": weights})
    planted = problem.start_from(
        torch.from_numpy(truth.means - centre), None, torch.from_numpy(truth.covariances)
    )
    assert problem.moves.exchange.any()
    rolled = problem.start_from(
        planted["means"].roll(1, 1), None, planted["covariances"].roll(1, 1)
    )
    again, changed = problem.rearranged(rolled)
    assert changed.all()
    torch.testing.assert_close(problem.objective(again), problem.objective(planted))
    exchange = int(problem.moves.exchange.nonzero()[0, 0])
    moved = problem.moved(planted, torch.full((2,), exchange), generator)
    first, second = (int(x[exchange]) for x in problem.moves[:2])
    for name in ("means", "covariances"):
        torch.testing.assert_close(moved[name][:, first], planted[name][:, second])
        torch.testing.assert_close(moved[name][:, second], planted[name][:, first])


def test_more_attempts_are_never_worse_and_counted(monkeypatch):
    X, truth = make_mixture_tasks(6, n_features=3, spread=2.5, eccentricity=25.0, random_state=1)
    known = {"covariances": truth.covariances}
    bounds, rounds = [], []
    for chances in ((), (-1.0, -1.0)):  # none, and all tasks are mistrusted twice
        monkeypatch.setattr(_mixture_solving, "_UNSURE", chances)
        model = GSOGaussianMixture(4, n_epochs=0, random_state=0).fit(
            X[:2], covariances=truth[2][:2]
        )
        solved = model._solve_anew(list(X), truth.covariances, None, False)
        bounds.append([s.lower_bound for s in solved])
        rounds.append([s.n_rounds for s in solved])
        scores = [s.mean() for s in model.score_samples(X, **known)]
        np.testing.assert_allclose(scores, bounds[-1], atol=1e-9)
    assert (np.array(bounds[1]) >= bounds[0]).all()
    assert (np.array(rounds[1]) > rounds[0]).any()


SCRIPT = """
import sys, joblib, numpy as np
model = joblib.load(sys.argv[1] + "/model.joblib", mmap_mode="r")
X = np.load(sys.argv[1] + "/X.npy")
np.save(sys.argv[1] + "/out.npy", model.predict_proba(X))
"""


@pytest.mark.parametrize("collection", [False, True], ids=["one", "tasks"])
def test_a_mixture_travels_to_another_process(collection, X, tmp_path):
    model = GSOGaussianMixture(3, n_epochs=0, random_state=0).fit([X, X] if collection else X)
    joblib.dump(model, tmp_path / "model.joblib")
    np.save(tmp_path / "X.npy", X)
    run(SCRIPT, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model.predict_proba(X))
