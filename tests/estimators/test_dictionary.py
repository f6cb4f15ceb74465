"""GSODictionaryLearning: scikit-learn's interface, missing entries, collections."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import DictionaryLearning, sparse_encode
from sklearn.model_selection import GridSearchCV

from sklearn_gso import GSODictionaryLearning
from sklearn_gso.estimators.dictionary import ALGORITHMS
from sklearn_gso.solvers.race import Race

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")
ALPHA, N_ATOMS = 0.1, 6


def draw(seed, n_rows=60, n_columns=10):
    """Two of six random atoms each, and their atoms."""
    rng = np.random.RandomState(seed)
    atoms = rng.standard_normal((N_ATOMS, n_columns))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((n_rows, N_ATOMS))
    for row in codes:
        row[rng.choice(N_ATOMS, 2, replace=False)] = rng.standard_normal(2)
    return codes @ atoms, atoms


def learner(**options):
    options = {"alpha": ALPHA, "optimizer": None, "random_state": 0, "max_iter": 60, **options}
    return GSODictionaryLearning(N_ATOMS, **options)


def objective(X, atoms):
    codes = sparse_encode(X, atoms, algorithm="lasso_lars", alpha=ALPHA)
    return 0.5 * np.square(X - codes @ atoms).sum() + ALPHA * np.abs(codes).sum()


@pytest.fixture(scope="module")
def X():
    return draw(0)[0]


@pytest.fixture(scope="module")
def fitted(X):
    """Tests must leave it as it is."""
    return learner().fit(X)


def test_the_objective_is_that_of_scikit_learn_and_no_higher(X, fitted):
    theirs = DictionaryLearning(
        N_ATOMS, alpha=ALPHA, fit_algorithm="cd", max_iter=100, random_state=0
    ).fit(X)
    assert fitted.objective_ == pytest.approx(objective(X, fitted.components_), rel=1e-6)
    assert fitted.objective_ < 1.001 * theirs.error_[-1]
    assert (np.linalg.norm(fitted.components_, axis=1) < 1 + 1e-9).all()


def test_errors_fall_sweep_by_sweep(fitted):
    errors = fitted.error_
    assert errors.shape == (fitted.n_iter_ + 1,) and (np.diff(errors) <= 1e-10 * errors[0]).all()
    assert fitted.objective_ <= errors[-1] < errors[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_codes_are_those_of_sparse_encode(algorithm, X, fitted):
    options = {"algorithm": algorithm, "alpha": 0.2, "n_nonzero_coefs": 2}
    own = clone(fitted).set_params(
        transform_algorithm=algorithm, transform_alpha=0.2, transform_n_nonzero_coefs=2
    )
    own.fit(X)
    expected = sparse_encode(X, own.components_, **options)
    np.testing.assert_allclose(own.transform(X), expected, atol=1e-12)
    assert (own.transform(X) == 0).any()


def test_codes_of_incomplete_rows_are_those_of_their_observed_columns(X, fitted):
    holes = X[:9].copy()
    holes[0, 3:6] = holes[4, 3:6] = holes[2, 0] = np.nan
    holes[7] = np.nan
    codes = fitted.transform(holes)
    for row, code in zip(holes, codes, strict=True):
        seen = ~np.isnan(row)
        if not seen.any():
            assert not code.any()
            continue
        expected = sparse_encode(
            row[None, seen], fitted.components_[:, seen], algorithm="omp", alpha=ALPHA
        )
        np.testing.assert_allclose(code, expected[0], atol=1e-10)


@pytest.mark.slow
def test_atoms_are_found_from_incomplete_data():
    X, atoms = draw(1, n_rows=150)
    X[np.random.RandomState(0).rand(*X.shape) < 0.2] = np.nan
    own = learner(alpha=0.02, n_init=4, max_iter=150).fit(X)
    assert (np.abs(atoms @ own.components_.T).max(1) > 0.99).all()
    filled = own.set_params(transform_algorithm="lasso_lars").inverse_transform(own.transform(X))
    truth = draw(1, n_rows=150)[0]
    hidden = np.isnan(X)
    assert np.square((filled - truth)[hidden]).sum() < 0.1 * np.square(truth[hidden]).sum()


def test_more_starts_are_no_worse(X):
    one, four = (learner(max_iter=5, n_init=n, tol=None).fit(X) for n in (1, 4))
    assert four.objective_ <= one.objective_
    assert len(four.error_) == four.n_iter_ + 1


def test_tol_ends_a_run(X):
    short, long = learner(tol=1e-2).fit(X), learner(tol=None).fit(X)
    assert short.n_iter_ < long.n_iter_ == 60
    assert abs(np.diff(short.error_[-3:-1])) < 1e-2 * short.error_[-2]


def test_data_of_codes(X, fitted):
    codes = fitted.transform(X)
    np.testing.assert_array_equal(fitted.inverse_transform(codes), codes @ fitted.components_)
    names = [f"gsodictionarylearning{i}" for i in range(N_ATOMS)]
    assert fitted.get_feature_names_out().tolist() == names
    with pytest.raises(ValueError, match="6 columns, one an atom; got 5"):
        fitted.inverse_transform(codes[:, 1:])


@pytest.mark.parametrize(
    ("change", "error", "options"),
    [
        (lambda X: X[:5], "n_components=6 atoms are more than n_samples=5", {}),
        (lambda X: X + 1j, "Complex data not supported", {}),
        (lambda X: np.where(X > 1, np.inf, X), "contains infinity", {}),
        (lambda X: X * np.nan, "X has no observed entry", {}),
        (lambda X: [X, X[:4]], "n_components=6 atoms are more than n_samples=4", {"n_epochs": 0}),
        (lambda X: X, "alpha of GSODictionaryLearning must be", {"alpha": -1.0}),
        (lambda X: X, "transform_algorithm of .* must be", {"transform_algorithm": "ista"}),
        (lambda X: X, "n_components of .* must be", {"n_components": 0}),
    ],
)
def test_bad_input_is_named_and_nothing_is_fitted(change, error, options, X):
    own = learner().set_params(**options)
    with pytest.raises(ValueError, match=error):
        own.fit(change(X)).transform(change(X))
    assert not hasattr(own, "components_")


def test_a_collection_trains_a_rule_and_each_task_is_solved_anew():
    tasks = [draw(seed)[0] for seed in range(4)] + [draw(5, 50, 8)[0]]
    own = learner(max_iter=4, n_epochs=1).fit(tasks)
    assert own.n_tasks_in_ == 5 and own.history_.n_steps > 0
    codes = own.transform(tasks)
    assert [c.shape for c in codes] == [(60, N_ATOMS)] * 4 + [(50, N_ATOMS)]
    assert not hasattr(own, "inverse_transform") and not hasattr(own, "components_")
    again = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(again.transform(tasks)[4], codes[4])
    one = learner(optimizer=own.learned_optimizer_, max_iter=4).fit(tasks[0])
    assert one.components_.shape == (N_ATOMS, 10) and len(one.error_) == one.n_iter_ + 1


@pytest.mark.slow
def test_searches(X):
    search = GridSearchCV(learner(max_iter=5), {"t_l": [1, 2], "alpha": [0.1, 0.2]}, cv=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 4


@pytest.mark.slow
def test_the_shipped_rule_ends_lower_than_as_many_closed_steps():
    """Equal starts; tasks of a size and a sparsity that nobody chose it on."""
    rng = np.random.RandomState(7)
    atoms = rng.standard_normal((4, 18, 12))
    atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
    codes = rng.standard_normal((4, 120, 18)) * (rng.rand(4, 120, 18) < 0.15)
    tasks = codes @ atoms + 0.02 * rng.standard_normal((4, 120, 12))
    reached = []
    for optimizer in ("pretrained", None):
        own = GSODictionaryLearning(
            18, alpha=ALPHA, optimizer=optimizer, max_iter=30, tol=None, n_epochs=0, random_state=0
        ).fit(tasks)
        reached.append(-own.score(tasks))
    assert reached[0] < 0.99 * reached[1]


def test_starts_race_unless_whole_runs_are_compared(X, monkeypatch):
    given_up = Race.given_up
    asked = []

    def noted(race, sweep, *about):
        asked.append(sweep)
        return given_up(race, sweep, *about)

    monkeypatch.setattr(Race, "given_up", noted)
    settings = {"max_iter": 20, "tol": None, "n_init": 8, "optimizer": "pretrained"}
    raced = learner(**settings).fit(X)
    assert set(asked) == {2, 8}
    asked.clear()
    with_all = learner(**settings, safeguard="run").fit(X)
    assert not asked
    one = learner(**{**settings, "n_init": 1}).fit(X)
    assert with_all.objective_ <= one.objective_ and raced.objective_ <= one.objective_
