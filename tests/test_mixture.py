"""The mixtures as a user meets them."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks

KINDS = ("full", "tied", "diag", "spherical")
STARTS = ("random", "k-means++", "matched", "tempered")
each_kind = pytest.mark.parametrize("kind", KINDS)
each_start = pytest.mark.parametrize("start", STARTS)


def em(n_components=3, **parameters):
    return EMGaussianMixture(n_components, **{"random_state": 0, "max_iter": 500, **parameters})


def gso(n_components=3, **parameters):
    return GSOGaussianMixture(n_components, **{"random_state": 0, "optimizer": None, **parameters})


each_judge = pytest.mark.parametrize("optimizer", [None, "pretrained"], ids=["chance", "judge"])
each_mixture = pytest.mark.parametrize("mixture", [em, gso], ids=["em", "gso"])


def learned_nothing(mixture):
    """For collections, without the time of training."""
    return mixture() if mixture is em else mixture(n_epochs=0)


@pytest.fixture(scope="module")
def tasks():
    """Five data sets of 120 samples of three well separated components in two dimensions."""
    return make_mixture_tasks(
        5, n_samples=120, n_components=3, spread=6.0, eccentricity=9.0, random_state=0
    )


@pytest.fixture(scope="module")
def overlapping():
    """Five data sets of 150 samples of four components that overlap in three dimensions."""
    return make_mixture_tasks(
        5, n_samples=150, n_features=3, spread=2.5, eccentricity=25.0, random_state=0
    )


@pytest.fixture
def X(tasks):
    return tasks[0][0]


@pytest.fixture
def covariances(tasks):
    return tasks[1].covariances


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


# EM is scikit-learn's ------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("task", range(3))
def test_em_equals_scikit_learn_from_the_same_start(kind, task, overlapping):
    X = overlapping[0][task]
    same = {
        "covariance_type": kind,
        "weights_init": [0.2, 0.3, 0.5],
        "means_init": X[[5, 17, 60]],
        "precisions_init": identity(kind, 3, 3),
        "max_iter": 500,
        "random_state": 3,
    }
    ours, peer = EMGaussianMixture(3, **same).fit(X), GaussianMixture(3, **same).fit(X)
    assert ours.n_iter_ == peer.n_iter_ > 3 and ours.converged_ and peer.converged_
    assert_same_fit(ours, peer)
    assert ours.lower_bound_ == pytest.approx(peer.score(X), abs=1e-8)
    for method in ("predict", "predict_proba", "score_samples", "score", "aic", "bic"):
        found, expected = getattr(ours, method)(X), getattr(peer, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    for found, expected in zip(ours.sample(40), peer.sample(40), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_em_stops_where_scikit_learn_stops(X):
    same = {"means_init": X[:3], "weights_init": [0.2, 0.3, 0.5], "tol": 0.0, "max_iter": 7}
    same["precisions_init"] = identity("full", 3, 2)
    fits = EMGaussianMixture(3, **same), GaussianMixture(3, **same)
    for fit in fits:
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            fit.fit(X)
        assert fit.n_iter_ == 7 and not fit.converged_
    assert_same_fit(*fits)


@each_mixture
@each_kind
def test_lower_bound_is_the_score_of_what_was_fitted(mixture, kind, X):
    fit = mixture(covariance_type=kind).fit(X)
    assert isinstance(fit.score(X), float)
    assert fit.lower_bound_ == pytest.approx(fit.score(X), abs=1e-9)
    assert fit.score(X) == pytest.approx(fit.score_samples(X).mean())
    np.testing.assert_array_equal(fit.predict(X), fit.predict_proba(X).argmax(1))
    np.testing.assert_allclose(fit.predict_proba(X).sum(1), 1)


@each_kind
def test_precisions_are_inverse_covariances(kind, X):
    fit = em(covariance_type=kind).fit(X)
    peer = GaussianMixture(
        3, covariance_type=kind, weights_init=fit.weights_, means_init=fit.means_,
        precisions_init=fit.precisions_, max_iter=1, tol=1e9,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(X)
    assert fit.precisions_.shape == peer.precisions_.shape
    factor = fit.precisions_cholesky_
    product = factor**2 if kind in ("diag", "spherical") else factor @ factor.swapaxes(-1, -2)
    np.testing.assert_allclose(product, fit.precisions_, rtol=1e-10)


# GSO is at least EM ----------------------------------------------------------------------


@each_start
@each_kind
@pytest.mark.parametrize("known", [False, True], ids=["estimated", "given"])
@each_judge
def test_gso_is_never_worse_than_em_from_the_same_start(start, kind, known, optimizer, overlapping):
    X, truth = overlapping
    gained = 0
    for i, data in enumerate(X):
        same = {
            "covariance_type": kind,
            "init_params": start,
            "random_state": i,
            "n_init": 1,
            "tol": 1e-5,
            "max_iter": 100,
        }
        if known:
            same["covariances"] = of_kind(truth.covariances[i], kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            alone = EMGaussianMixture(4, **same).fit(data)
            judged = GSOGaussianMixture(4, optimizer=optimizer, **same).fit(data)
        assert judged.lower_bound_ >= alone.lower_bound_
        if judged.n_gains_ == 0:  # the very same run
            assert judged.n_iter_ == alone.n_iter_
            assert_same_fit(judged, alone, 0, 0)
        gained += judged.n_gains_
        assert judged.n_rounds_ >= (optimizer is None)  # a trained judge may see no hope
    if start == "random":
        assert gained > 0  # the set is hard enough that there is something to gain


@each_judge
def test_gso_finds_the_planted_optimum_where_em_fails(optimizer):
    X, truth = make_mixture_tasks(
        10, n_features=16, spread=2.1, concentration=2.0, n_samples=300, random_state=0
    )
    failed = 0
    for i, data in enumerate(X):
        known = {"covariances": truth.covariances[i], "tol": 1e-6, "max_iter": 500}
        planted = em(4, means_init=truth.means[i], weights_init=truth.weights[i], **known)
        best = planted.fit(data).lower_bound_
        found = gso(4, optimizer=optimizer, covariances=truth.covariances[i]).fit(data)
        assert found.lower_bound_ >= best - 1e-4
        failed += em(4, **known).fit(data).lower_bound_ < best - 0.01
    assert failed >= 3


@each_mixture
def test_more_starts_are_never_worse_for_em_and_one_is_one(mixture, tasks):
    settings = {"init_params": "random"}  # clusters of few samples differ by little
    bounds = [
        [mixture(3, n_init=n, **settings).fit(data).lower_bound_ for n in (1, 8)]
        for data in tasks[0]
    ]
    one, eight = np.array(bounds).T
    assert eight.mean() >= one.mean() - 1e-6


def test_one_component_is_the_moments(X):
    for mixture in (em(1), gso(1)):
        fit = mixture.fit(X)
        np.testing.assert_allclose(fit.means_[0], X.mean(0))
        np.testing.assert_allclose(fit.covariances_[0], np.cov(X.T, bias=True) + 1e-6 * np.eye(2))


# Known parameters --------------------------------------------------------------------------


@each_mixture
@each_kind
@each_start
def test_what_is_fixed_stays_bit_equal(mixture, kind, start, tasks):
    X, truth = tasks
    known = {
        "weights": np.array([0.2, 0.3, 0.5]),
        "means": truth.means[0] + 100 / 3,
        "covariances": of_kind(truth.covariances[0], kind),
    }
    names = {"weights": "weights_init", "means": "means_init", "covariances": "covariances"}
    for held in [(n,) for n in known] + [("weights", "means"), ("covariances", "means"), (*known,)]:
        settings = {names[n]: known[n] for n in held}
        fit = mixture(fixed=held, covariance_type=kind, init_params=start, **settings)
        fit.fit(X[0] + 100 / 3)
        for name, value in known.items():
            equal = np.array_equal(getattr(fit, name + "_"), value)
            assert equal if name in held else not equal, name
        assert np.isfinite(fit.score(X[0]))


@each_mixture
def test_given_covariances_are_held_without_being_named(mixture, X, covariances):
    by_parameter = mixture(covariances=covariances[0]).fit(X)
    by_fit = mixture().fit(X, covariances=covariances[0])
    np.testing.assert_array_equal(by_parameter.covariances_, covariances[0])
    assert_same_fit(by_parameter, by_fit, 0, 0)
    precisions = np.linalg.inv(covariances[0])
    by_precision = mixture(precisions_init=precisions, fixed=("covariances",)).fit(X)
    assert_same_fit(by_parameter, by_precision)
    free = mixture(precisions_init=precisions).fit(X)
    assert not np.allclose(free.covariances_, covariances[0], atol=1e-3)
    other = mixture(covariances=covariances[0]).fit(X, covariances=covariances[1])
    np.testing.assert_array_equal(other.covariances_, covariances[1])


def test_fixed_parameters_are_not_counted(X, covariances):
    n, full = np.log(len(X)), em().fit(X)
    assert full.bic(X) == pytest.approx(-2 * full.score(X) * len(X) + 17 * n)
    given = em(covariances=covariances[0]).fit(X)
    assert given.bic(X) == pytest.approx(-2 * given.score(X) * len(X) + 8 * n)
    means = em(means_init=full.means_, fixed=("means",)).fit(X)
    assert means.aic(X) == pytest.approx(-2 * means.score(X) * len(X) + 2 * 11)


def test_matching_to_given_covariances_helps(tasks):
    """Where covariances differ much the clusters must go to the right ones."""
    X, truth = make_mixture_tasks(8, n_features=4, eccentricity=200.0, spread=4.0, random_state=0)
    bounds = {
        start: np.mean(
            [
                em(4, covariances=c, init_params=start).fit(data).lower_bound_
                for data, c in zip(X, truth.covariances, strict=True)
            ]
        )
        for start in ("random", "k-means++", "matched")
    }
    assert bounds["matched"] > max(bounds["random"], bounds["k-means++"]) + 0.1


def test_names_of_scikit_learns_starts(X):
    assert_same_fit(em(init_params="kmeans").fit(X), em(init_params="matched").fit(X), 0, 0)
    alias, name = em(init_params="random_from_data"), em(init_params="random")
    assert_same_fit(alias.fit(X), name.fit(X), 0, 0)


def test_starts_by_default_depend_on_what_is_known(X):
    assert_same_fit(em().fit(X), em(init_params="matched").fit(X), 0, 0)
    known = em(init_params="random").fit(X).covariances_
    random = em(init_params="random", covariances=known)
    assert_same_fit(em(covariances=known).fit(X), random.fit(X), 0, 0)


# Sample weights -------------------------------------------------------------------------


@each_mixture
@each_start
@each_kind
def test_weights_are_repetitions_and_zeros_are_absences(mixture, start, kind, X, rng):
    weight = rng.randint(0, 4, size=len(X))
    order = rng.permutation(weight.sum())
    settings = {"covariance_type": kind, "init_params": start}
    weighted = mixture(**settings).fit(X, sample_weight=weight)
    repeated = mixture(**settings).fit(X.repeat(weight, axis=0)[order])
    assert_same_fit(weighted, repeated, 1e-9, 1e-9)
    absent = mixture(**settings).fit(X[weight > 0])
    present = mixture(**settings).fit(X, sample_weight=(weight > 0).astype(float))
    assert_same_fit(absent, present, 1e-9, 1e-9)
    assert not np.allclose(weighted.weights_, absent.weights_, atol=1e-4)
    scaled = mixture(**settings).fit(X, sample_weight=1e6 * weight)
    assert_same_fit(weighted, scaled, 1e-7, 1e-7)


@each_mixture
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(120, -1.0), "Negative values"),
        (np.zeros(120), "at least one non-zero|all.*zero"),
        (np.ones(119), r"sample_weight.shape == \(119,\)"),
        (np.r_[np.nan, np.ones(119)], "sample_weight contains NaN"),
        (np.r_[1.0, 1.0, np.zeros(118)], "n_components = 3, n_samples = 2 of positive weight"),
        (np.r_[1.0, np.zeros(119)], "1 sample.* of positive weight"),
    ],
    ids=["negative", "zero", "short", "nan", "two samples", "one sample"],
)
def test_bad_sample_weights(mixture, weight, message, X):
    with pytest.raises(ValueError, match=message):
        mixture().fit(X, sample_weight=weight)


@each_mixture
def test_one_weight_for_all_is_none(mixture, X):
    plain, weighted = mixture().fit(X), mixture().fit(X, sample_weight=3)
    np.testing.assert_array_equal(plain.means_, weighted.means_)


# Invariance -------------------------------------------------------------------------------


@each_mixture
@each_start
@each_kind
def test_neither_origin_nor_order_matters(mixture, start, kind, X, rng):
    settings = {"covariance_type": kind, "init_params": start}
    here = mixture(**settings).fit(X)
    shift = np.array([3e5, -7e4])
    there = mixture(**settings).fit(X + shift)
    # Equal optima from several starts: rounding may choose another numbering.
    a, b = here.means_[:, 1].argsort(), there.means_[:, 1].argsort()
    np.testing.assert_allclose(there.means_[b] - shift, here.means_[a], atol=1e-6)
    np.testing.assert_allclose(there.weights_[b], here.weights_[a], atol=1e-6)
    np.testing.assert_allclose(there.score_samples(X + shift), here.score_samples(X), atol=1e-6)
    shuffled = mixture(**settings).fit(X[rng.permutation(len(X))])
    assert_same_fit(here, shuffled, 0, 0)


@each_mixture
def test_rows_stand_alone(mixture, X, rng):
    fit = mixture().fit(X)
    order = rng.permutation(len(X))
    for method in (fit.predict_proba, fit.score_samples, fit.predict):
        whole = method(X)
        np.testing.assert_allclose(method(X[order]), whole[order], rtol=1e-12)
        np.testing.assert_allclose(method(X[7:8]), whole[7:8], rtol=1e-12)


def test_long_inputs_go_in_pieces(X, monkeypatch):
    fit = em().fit(X)
    whole = fit.score_samples(X)
    monkeypatch.setattr("sklearn_gso._mixture_solving.MEMORY_BOUND", 50)
    np.testing.assert_allclose(fit.score_samples(X), whole, rtol=1e-12)


@each_mixture
def test_reproducible_and_its_own_randomness(mixture, X):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    a, b = (mixture(random_state=4).fit(X) for _ in range(2))
    assert_same_fit(a, b, 0, 0)
    mixture(random_state=None).fit(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    starts = {mixture(max_iter=1, tol=10.0, n_init=1, random_state=s).fit(X).means_[0, 0]
              for s in range(5)}  # fmt: skip
    assert len(starts) > 1


@each_mixture
def test_containers_of_one_data_set_agree(mixture, X):
    expected = mixture().fit(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (read_only, X.tolist(), pd.DataFrame(X), np.asfortranarray(X), np.ma.array(X)):
        assert_same_fit(mixture().fit(other), expected, 0, 0)
    assert mixture().fit(X.astype(np.float32)).means_.dtype == np.float64
    np.testing.assert_array_equal(mixture().fit_predict(X), expected.predict(X))


def test_sample_has_the_statistics_of_the_mixture(X):
    for kind in KINDS:
        fit = gso(covariance_type=kind).fit(X)
        drawn, labels = fit.sample(40_000)
        np.testing.assert_allclose(np.bincount(labels) / len(labels), fit.weights_, atol=0.02)
        for k in range(3):
            own = drawn[labels == k]
            np.testing.assert_allclose(own.mean(0), fit.means_[k], atol=0.1)
            expected = {
                "full": lambda k, f=fit: f.covariances_[k],
                "tied": lambda k, f=fit: f.covariances_,
                "diag": lambda k, f=fit: np.diag(f.covariances_[k]),
                "spherical": lambda k, f=fit: f.covariances_[k] * np.eye(2),
            }[kind](k)
            np.testing.assert_allclose(np.cov(own.T), expected, rtol=0.1, atol=0.1)
    with pytest.raises(ValueError, match="n_samples must be an integer >= 1"):
        fit.sample(0)


@each_mixture
def test_warm_start_goes_on(mixture, X):
    with pytest.warns(ConvergenceWarning):
        short = em(max_iter=2, warm_start=True, tol=1e-9).fit(X)
    first = short.lower_bound_
    with pytest.warns(ConvergenceWarning):
        short.fit(X)
    with pytest.warns(ConvergenceWarning):
        once = em(max_iter=4, tol=1e-9).fit(X)
    assert_same_fit(short, once)
    assert short.lower_bound_ > first
    warm = mixture(warm_start=True).fit(X)
    reached = warm.lower_bound_
    assert warm.fit(X).lower_bound_ >= reached - 1e-9 and warm.n_iter_ <= 3
    with pytest.raises(ValueError, match="warm_start goes on from means of shape"):
        warm.set_params(n_components=2).fit(X)
    with pytest.raises(ValueError, match="warm_start needs the covariance_type"):
        warm.set_params(n_components=3, covariance_type="diag").fit(X)


@each_mixture
def test_clone_and_pickle(mixture, X, covariances):
    fit = mixture(covariances=covariances[0], fixed=("covariances",)).fit(X)
    twin = clone(fit)
    assert not hasattr(twin, "means_")
    assert_same_fit(twin.fit(X), fit, 0, 0)
    loaded = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(loaded.predict_proba(X), fit.predict_proba(X))


def test_verbose_tells_how_it_ended(X, capsys):
    em(verbose=1).fit(X)
    assert "lower bound" in capsys.readouterr().out
    em().fit(X)
    assert not capsys.readouterr().out


# Bad input --------------------------------------------------------------------------------


@each_mixture
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: np.where(X > 0, np.nan, X), "Input X contains NaN"),
        (lambda X: np.where(X > 0, np.inf, X), "Input X contains infinity"),
        (lambda X: X * 1j, "[Cc]omplex"),
        (
            lambda X: X[:1],
            r"Found array with 1 sample\(s\) \(shape=\(1, 2\)\) while a minimum of 2",
        ),
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: X[0], "Expected 2D array, got 1D array"),
        (lambda X: X[:2], "n_samples >= n_components but got n_components = 3, n_samples = 2"),
        (lambda X: np.ma.masked_greater(X, 1.0), "contains NaN"),
        (lambda X: np.full(X.shape, "a"), "could not convert"),
        (lambda X: X * 1e300, "scale the input data"),
        (lambda X: [X, X[:1]], "Task 1 of the collection: Found array with 1 sample"),
        (lambda X: [X, X[:2]], "Task 1 of the collection: Expected n_samples >= n_components"),
        (lambda X: [X, np.where(X > 0, np.nan, X)], "Task 1 of the collection: .*NaN"),
        (lambda X: [X, [1.0]], "element 1 of the collection"),
        (lambda X: np.empty((0, 5, 2)), "0 tasks"),
    ],
)
def test_bad_data_changes_nothing(mixture, spoil, message, X):
    fit = mixture().fit(X)
    before = dict(vars(fit))
    with pytest.raises((ValueError, TypeError), match=message):
        fit.fit(spoil(X))
    assert vars(fit).keys() == before.keys()
    assert all(vars(fit)[k] is before[k] for k in before)


@each_mixture
def test_sparse_data_are_refused(mixture, X):
    with pytest.raises(TypeError, match="[Ss]parse"):
        mixture().fit(sparse.csr_array(X))
    with pytest.raises(TypeError, match="Task 0 of the collection: .*[Ss]parse"):
        mixture().fit([sparse.csr_array(X)])


def broken(values, change):
    values = np.array(values, dtype=float)
    change(values)
    return values


def put(index, value):
    def change(array):
        array[index] = value

    return change


@each_mixture
@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("full", put((1, 0, 0), -1.0), "of component 1 must be positive-definite"),
        ("full", put(2, 0.0), "of component 2 must be positive-definite"),
        ("full", put((2, 0, 1), 9.0), "of component 2 must be symmetric"),
        ("tied", put((0, 0), -1.0), "covariances must be positive-definite"),
        ("tied", put((0, 1), 9.0), "covariances must be symmetric"),
        ("diag", put((1, 1), 0.0), "of component 1 must be positive"),
        ("spherical", put(2, -3.0), "of component 2 must be positive"),
        ("full", put((0, 0, 0), np.nan), "covariances contains NaN"),
        ("diag", put((0, 0), np.inf), "covariances contains infinity"),
    ],
)
def test_bad_covariances_name_the_component(mixture, kind, change, message, tasks):
    X, truth = tasks
    known = of_kind(truth.covariances[0], kind)
    bad = broken(known, change)
    for parameters in ({"covariances": bad}, {"precisions_init": bad}):
        name = next(iter(parameters))
        with pytest.raises(ValueError, match=message.replace("covariances", name)):
            mixture(covariance_type=kind, **parameters).fit(X[0])
    collection = learned_nothing(mixture).set_params(covariance_type=kind)
    with pytest.raises(ValueError, match="Task 1 of the collection: .*" + message):
        collection.fit(X[:2], covariances=[known, bad])


@each_mixture
@each_kind
def test_wrong_shapes_are_named(mixture, kind, X):
    for k, d in ((2, 2), (3, 3)):
        wrong = identity(kind, k, d)
        if wrong.shape == identity(kind, 3, 2).shape:
            continue  # one number for each component fits any width
        with pytest.raises(ValueError, match=r"covariances must have shape \(n_"):
            mixture(covariance_type=kind, covariances=wrong).fit(X)
    with pytest.raises(ValueError, match=r"covariances must have shape"):
        mixture(covariance_type=kind, covariances=np.ones((1, 3, 3, 2, 2))).fit(X)
    with pytest.raises(ValueError, match=r"covariances must have shape .* got \(\)"):
        mixture(covariance_type=kind, covariances=3.0).fit(X)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        mixture(covariance_type=kind, covariances=identity(kind, 3, 2) * 1j).fit(X)


@each_mixture
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components .*>= 1, got 0"),
        ({"n_components": 2.5}, "n_components .*integer"),
        ({"n_init": 0}, "n_init"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol must be"),
        ({"reg_covar": -1.0}, "reg_covar must be"),
        ({"reg_covar": np.nan}, "reg_covar must be"),
        ({"covariance_type": "round"}, "covariance_type must be one of"),
        ({"init_params": "magic"}, "init_params must be one of"),
        ({"fixed": ("centres",)}, "fixed must hold names among"),
        ({"fixed": "means"}, "fixed must hold names among"),
        ({"fixed": None}, "fixed must hold names among"),
        ({"fixed": [["means"]]}, "fixed must hold names among"),
        ({"covariance_type": ["full"]}, "covariance_type must be one of"),
        ({"init_params": np.zeros((3, 2))}, "init_params must be one of"),
        ({"fixed": ("means",)}, "'means' is fixed, but means_init gives no value"),
        ({"fixed": ("weights",)}, "'weights' is fixed, but weights_init gives no value"),
        ({"fixed": ("covariances",)}, "'covariances' is fixed, but covariances or precisions_init"),
        ({"weights_init": [0.5, 0.6, 0.1]}, "weights_init must be .* sum to 1"),
        ({"weights_init": [1.5, -0.5, 0.0]}, "weights_init must be non-negative"),
        ({"weights_init": [0.5, 0.5]}, r"weights_init must have shape \(n_components,\)"),
        ({"means_init": np.zeros((3, 3))}, r"means_init must have shape \(n_components, n_f"),
        ({"means_init": np.full((3, 2), np.nan)}, "means_init contains NaN"),
        (
            {"covariances": identity("full", 3, 2), "precisions_init": identity("full", 3, 2)},
            "not both",
        ),
    ],
)
def test_bad_parameters(mixture, parameters, message, X):
    with pytest.raises(ValueError, match=message):
        mixture().set_params(**parameters).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_epochs": -1}, "n_epochs"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"optimizer": 3}, "optimizer must be a LearnedOptimizer"),
    ],
)
def test_bad_parameters_of_gso(parameters, message, X):
    with pytest.raises(ValueError, match=message):
        gso().set_params(**parameters).fit(X)


def test_an_optimizer_for_something_else_is_refused(X):
    from sklearn_gso import LearnedOptimizer

    with pytest.raises(ValueError, match="does not fit this mixture"):
        gso(optimizer=LearnedOptimizer.load_pretrained("completer")).fit(X)
    with pytest.raises(FileNotFoundError):
        gso(optimizer="nowhere.safetensors").fit(X)


# Degenerate data: a finite answer or a clear error ------------------------------------------


def constant_feature(rng):
    return np.c_[rng.standard_normal((40, 2)), np.ones(40)]


DEGENERATE = {
    "all equal": lambda rng: np.ones((6, 2)),
    "zeros": lambda rng: np.zeros((9, 3)),
    "two places": lambda rng: rng.standard_normal((2, 2)).repeat(5, axis=0),
    "duplicates": lambda rng: rng.randint(0, 2, size=(60, 2)).astype(float),
    "constant feature": constant_feature,
    "64 features, 65 samples": lambda rng: rng.standard_normal((65, 64)),
    "as many as components": lambda rng: rng.standard_normal((3, 2)),
    "huge": lambda rng: 1e150 * rng.standard_normal((40, 2)),
    "tiny": lambda rng: 1e-150 * rng.standard_normal((40, 2)),
    "mixed scales": lambda rng: rng.standard_normal((40, 3)) * [1e8, 1, 1e-8],
    "far outlier": lambda rng: np.r_[rng.standard_normal((40, 2)), [[1e9, 0]]],
    "far away": lambda rng: 1e9 + rng.standard_normal((40, 2)),
    "one feature": lambda rng: rng.standard_normal((40, 1)),
}


@each_mixture
@pytest.mark.parametrize("case", DEGENERATE)
@each_kind
@each_start
def test_degenerate_data_give_finite_answers_or_clear_errors(mixture, case, kind, start, rng):
    X = DEGENERATE[case](rng)
    for reg_covar in (1e-6, 0.0):
        model = mixture(covariance_type=kind, init_params=start, reg_covar=reg_covar)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(X)
            except ValueError as error:
                assert "scale the input data" in str(error)
                assert reg_covar == 0 or case == "huge"
                continue
            found = [*fitted(model), model.predict_proba(X), model.score_samples(X)]
        assert all(np.isfinite(array).all() for array in found)
        assert np.isfinite([model.score(X), model.lower_bound_]).all()
        assert set(model.predict(X)) <= {0, 1, 2}


@each_mixture
def test_too_few_distinct_samples_are_told(mixture):
    with pytest.warns(ConvergenceWarning, match="less distinct samples than n_components=3"):
        mixture().fit(np.ones((6, 2)))
    with pytest.warns(ConvergenceWarning, match=r"duplicate points in X. \(tasks \[1\]\)"):
        fit = em().fit([np.eye(3), np.ones((6, 3))])
        fit.predict([np.eye(3), np.ones((6, 3))])


@each_mixture
def test_a_component_that_empties_is_told(mixture, X):
    """A known centre far from every sample, which no move may change."""
    means = np.r_[X[:2], [[1e4, 1e4]]]
    known = {"means_init": means, "fixed": ("means",), "covariance_type": "spherical"}
    known["covariances"] = np.ones(3)
    with pytest.warns(ConvergenceWarning, match="ended without samples"):
        fit = mixture(**known).fit(X)
    assert all(np.isfinite(array).all() for array in fitted(fit))
    assert fit.weights_[2] < 1e-6 and np.isfinite(fit.predict_proba(X)).all()


def test_gso_fills_an_empty_component_again(X):
    start = np.r_[X[:2], [[1e4, 1e4]]]
    with pytest.warns(ConvergenceWarning, match="ended without samples"):
        em(means_init=start).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert gso(means_init=start).fit(X).weights_.min() > 0.05


@each_mixture
def test_far_rows_get_finite_numbers(mixture, X):
    fit = mixture().fit(X)
    far = np.array([[1e200, -1e200], [1e308, 1e308]])
    assert np.isfinite(fit.score_samples(far)).all()
    np.testing.assert_allclose(fit.predict_proba(far).sum(1), 1)


@each_mixture
def test_width_and_fit_are_checked(mixture, X):
    with pytest.raises(NotFittedError):
        mixture().predict(X)
    fit = mixture().fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 2 features"):
        fit.predict(np.c_[X, X[:, 0]])


# Collections ------------------------------------------------------------------------------


@each_mixture
def test_one_data_set_after_a_collection_and_back(mixture, tasks):
    X = tasks[0]
    model = learned_nothing(mixture).fit(X[0])
    with pytest.raises(ValueError, match="was fitted on one data set"):
        model.predict(X)
    model.fit(list(X))
    assert model.n_tasks_in_ == 5
    assert not any(hasattr(model, n) for n in ("n_features_in_", "means_", "n_iter_"))
    assert model.predict(X[0]).shape == (120,)
    assert model.predict(X[0][:, :1]).shape == (120,)  # another width
    with pytest.raises(NotFittedError, match="after a fit on one data set only"):
        model.sample()
    with pytest.raises(ValueError, match="not of a collection"):
        model.bic(X)
    model.fit(X[0])
    assert not hasattr(model, "n_tasks_in_") and model.means_.shape == (3, 2)


@each_mixture
def test_each_of_a_collection_is_solved_like_one(mixture, tasks):
    """With distinct components every start that converges ends in the same optimum."""
    X, truth = tasks
    model = learned_nothing(mixture).set_params(init_params="matched", n_init=6)
    model.fit(X, covariances=truth.covariances)
    scores = [s.mean() for s in model.score_samples(X, covariances=truth.covariances)]
    alone = [
        clone(model).fit(data, covariances=c).lower_bound_
        for data, c in zip(X, truth.covariances, strict=True)
    ]
    np.testing.assert_allclose(scores, alone, atol=1e-3)
    assert model.score(X, covariances=truth.covariances) == pytest.approx(np.mean(scores))


@each_mixture
def test_containers_of_collections(mixture, tasks):
    X = tasks[0]
    model = learned_nothing(mixture).fit(X)
    as_array, as_list = model.predict_proba(X), model.predict_proba(list(X))
    assert isinstance(as_array, np.ndarray) and as_array.shape == (5, 120, 3)
    assert isinstance(as_list, list) and isinstance(model.predict(tuple(X)), list)
    np.testing.assert_array_equal(as_array, np.stack(as_list))
    np.testing.assert_array_equal(model.predict(X), as_array.argmax(2))
    np.testing.assert_array_equal(learned_nothing(mixture).fit_predict(X), model.predict(X))


@each_mixture
def test_unequal_shapes(mixture, tasks):
    X, truth = tasks
    unequal = [X[0], X[1][:70], X[2], X[3][:, :1], X[4].round()]
    model = learned_nothing(mixture).fit(unequal)
    assert [p.shape for p in model.predict_proba(unequal)] == [(len(x), 3) for x in unequal]
    known = [c[:, : x.shape[1], : x.shape[1]] for c, x in zip(truth.covariances, unequal,
                                                              strict=True)]  # fmt: skip
    assert len(model.fit_predict(unequal, covariances=known)) == 5


@each_mixture
def test_covariances_of_collections(mixture, tasks):
    X, truth = tasks
    each, shared = truth.covariances, truth.covariances[0]
    model = learned_nothing(mixture).fit(X, covariances=each)
    with pytest.raises(ValueError, match="give those of the new ones"):
        model.predict(X)
    with pytest.raises(ValueError, match="one array for each of 5 tasks, got 4"):
        model.predict(X, covariances=each[:4])
    from_list = model.score_samples(X, covariances=list(each))
    np.testing.assert_array_equal(from_list, model.score_samples(X, covariances=each))
    with pytest.raises(ValueError, match="Task 2 of the collection: covariances of component 1"):
        model.predict(X, covariances=broken(each, put((2, 1), 0.0)))
    model.fit(X, covariances=shared)
    kept = model.score_samples(X)
    np.testing.assert_array_equal(kept, model.score_samples(X, covariances=[shared] * 5))
    constructed = learned_nothing(mixture).set_params(covariances=shared).fit(X)
    np.testing.assert_array_equal(kept, constructed.score_samples(X))
    assert model.score(X) < model.score(X, covariances=each)
    single = learned_nothing(mixture).fit(X[0])
    with pytest.raises(ValueError, match="data sets that are solved anew"):
        single.predict(X[0], covariances=shared)


@each_mixture
def test_sample_weights_of_collections(mixture, tasks, rng):
    X = tasks[0]
    weight = rng.randint(0, 3, size=(5, 120))
    model = learned_nothing(mixture)
    assert model.fit_predict(X, sample_weight=weight).shape == (5, 120)
    for data, own in zip(X, weight, strict=True):
        weighted = model.fit_predict([data], sample_weight=[own])[0]
        repeated = model.fit_predict([data.repeat(own, axis=0)])[0]
        np.testing.assert_array_equal(weighted.repeat(own), repeated)
    with pytest.raises(ValueError, match="one array for each task"):
        model.fit(X, sample_weight=np.ones(120))
    with pytest.raises(ValueError, match="Task 3 of the collection: Negative"):
        model.fit(X, sample_weight=[*np.ones((3, 120)), -np.ones(120), np.ones(120)])


def test_one_broken_member_is_named_when_it_is_solved(tasks):
    X = tasks[0]
    model = em(reg_covar=0.0).fit(X)
    with pytest.raises(ValueError, match="Task 1 of the collection: Fitting the mixture model"):
        model.predict([X[0], np.ones((9, 2)), X[2]])


@each_mixture
def test_jobs_and_batches_do_not_matter(mixture, tasks, monkeypatch):
    monkeypatch.setattr("sklearn_gso.tasks.MEMORY_BOUND", 3000)
    X = tasks[0]
    one, two = (
        learned_nothing(mixture).set_params(n_jobs=n).fit(X).predict_proba(X) for n in (None, 2)
    )
    np.testing.assert_array_equal(one, two)


@each_mixture
def test_predictions_write_nothing(mixture, tasks):
    for data in (tasks[0], tasks[0][0]):
        model = learned_nothing(mixture).fit(data)
        before = dict(vars(model))
        for method in ("predict", "predict_proba", "score_samples", "score"):
            getattr(model, method)(data)
        assert all(vars(model)[k] is before[k] for k in before)
        assert vars(model).keys() == before.keys()


# Model selection ----------------------------------------------------------------------------


@each_mixture
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_components(mixture, n_jobs, tasks, rng):
    X = tasks[0]
    search = GridSearchCV(mixture(), {"n_components": [1, 2, 3]}, cv=3, n_jobs=n_jobs)
    search.fit(X[0][rng.permutation(120)])
    assert search.best_params_["n_components"] == 3
    over_tasks = GridSearchCV(
        learned_nothing(mixture), {"n_components": [1, 3]}, cv=2, n_jobs=n_jobs, error_score="raise"
    )
    over_tasks.fit(list(X))
    assert over_tasks.best_params_["n_components"] == 3
    assert over_tasks.best_estimator_.n_tasks_in_ == 5
    assert np.isfinite(cross_val_score(learned_nothing(mixture), X, cv=2)).all()


# Learning -----------------------------------------------------------------------------------


def test_fit_of_a_collection_learns_a_judge(tasks):
    X, truth = tasks
    model = gso(n_epochs=1, hidden_size=4).fit(X, covariances=truth.covariances)
    assert model.learned_optimizer_ is not None and len(model.history_) > 0
    judged = gso(optimizer=model.learned_optimizer_, n_init=1)
    judged.fit(X[0], covariances=truth.covariances[0])
    alone = em(tol=1e-6, max_iter=200).fit(X[0], covariances=truth.covariances[0])
    assert judged.lower_bound_ >= alone.lower_bound_
    assert judged.learned_optimizer_ is model.learned_optimizer_
    assert np.isfinite(model.score(X, covariances=truth.covariances))
    one = gso(1, n_epochs=1).fit(X)  # nothing can be moved, so nothing is learned
    assert one.learned_optimizer_ is None and len(one.predict(list(X))) == 5
