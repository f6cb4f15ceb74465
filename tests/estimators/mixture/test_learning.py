"""A fit of a collection trains the judge of moves."""

import math
import warnings

import numpy as np
import pytest
import torch

from sklearn_gso import LearnedOptimizer, MetaTraining
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import recipe
from sklearn_gso.rules.judges import judge_of
from sklearn_gso.solvers import local_search
from sklearn_gso.training import judges
from tests.estimators.mixture.mixtures import em, gso

SMALL = recipe("moves", hidden_size=4)


@pytest.fixture(scope="module")
def few(tasks):
    X, truth = tasks
    return X[:3, :60], truth.covariances[:3]


@pytest.fixture(scope="module")
def trained(few):
    X, covariances = few
    return gso(rule=SMALL, n_epochs=1).fit(X, covariances=covariances)


def n_optima(model):
    """So many local optima the judge was trained on, as its optimizer tells."""
    words = model.learned_optimizer_.description["trained_on"].split()
    return int(words[0]), int(words[4])


def test_fit_of_a_collection_learns_a_judge(trained, few):
    X, covariances = few
    judge = trained.learned_optimizer_.rules()["moves"]
    assert judge.hidden_size == 4
    found, n_tasks = n_optima(trained)
    assert n_tasks == 3 and found >= 3
    losses = [record["loss"] for record in trained.history_ if record["step"] >= 0]
    assert len(losses) == trained.history_.n_steps > 0 and np.isfinite(losses).all()
    assert trained.score(X, covariances=covariances) == pytest.approx(
        np.mean([s.mean() for s in trained.score_samples(X, covariances=covariances)])
    )


def test_a_trained_judge_is_passed_on(trained, few):
    X, covariances = few
    judged = gso(optimizer=trained.learned_optimizer_, n_init=1)
    judged.fit(X[0], covariances=covariances[0])
    alone = em(tol=1e-6, max_iter=200).fit(X[0], covariances=covariances[0])
    assert judged.lower_bound_ >= alone.lower_bound_
    assert judged.learned_optimizer_ is trained.learned_optimizer_


def test_nothing_is_learned_where_nothing_can_be_moved_or_is_to_be(few, trained):
    X, covariances = few
    one = gso(1, n_epochs=1).fit(X)
    assert one.learned_optimizer_ is None and not one.history_
    assert len(one.predict(list(X))) == 3
    kept = gso(optimizer=trained.learned_optimizer_, n_epochs=0).fit(X, covariances=covariances)
    assert kept.learned_optimizer_ is trained.learned_optimizer_ and not kept.history_


@pytest.mark.parametrize(("n_epochs", "batch_size"), [(1, 1), (2, 2), (3, 100)])
def test_epochs_are_passes_over_the_local_optima(n_epochs, batch_size, few, monkeypatch):
    X, covariances = few
    seen, loss = [], judges.table_loss

    def noted(judge, table, generator):
        seen.append(id(table))
        return loss(judge, table, generator)

    monkeypatch.setattr(judges, "table_loss", noted)
    training = MetaTraining(batch_size=batch_size, validation_fraction=0)
    model = gso(rule=SMALL, n_epochs=n_epochs, training=training).fit(X, covariances=covariances)
    counts = np.unique(seen, return_counts=True)[1]
    assert len(counts) > 2 and (counts == n_epochs).all()
    assert model.history_.n_steps == n_epochs * math.ceil(len(counts) / batch_size)


def test_training_goes_as_its_settings_say(trained, few, tmp_path):
    X, covariances = few

    def weights(**settings):
        training = MetaTraining(**settings)
        model = gso(rule=SMALL, n_epochs=1, training=training).fit(X, covariances=covariances)
        return model.learned_optimizer_.weights

    def same(a, b):
        return all(np.array_equal(a[name], b[name]) for name in a)

    expected = trained.learned_optimizer_.weights
    # What "moves" takes where nothing is said.
    assert same(weights(learning_rate=3e-3, batch_size=8, validation_fraction=0.1), expected)
    assert not same(weights(learning_rate=3e-2), expected)
    path = tmp_path / "judge.ckpt"
    assert same(weights(checkpoint=path), expected) and path.exists()


def test_a_part_of_the_optima_validates(few):
    """The history then begins with the start's validation, before any step."""
    X, covariances = few
    training = MetaTraining(batch_size=2, validation_fraction=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one pass may bring nothing
        history = (
            gso(rule=SMALL, n_epochs=1, training=training)
            .fit(list(X) * 3, covariances=np.concatenate([covariances] * 3))
            .history_
        )
    assert history[0].keys() == {"step", "validation"} and history[0]["step"] == -1
    assert history.before == history[0]["validation"] and history.after <= history.before


def test_given_and_estimated_covariances_have_judges_of_their_own(few):
    X, covariances = few
    shipped = LearnedOptimizer.load_pretrained("mixture")
    judges = shipped.rules()
    assert set(judges) == {"moves", "estimated"}

    def optimizer(**rules):
        kinds = {"moves": judges["moves"], "estimated": judges["estimated"]}
        problem = MixtureFreeEnergy(torch.from_numpy(X), 3)
        return LearnedOptimizer.from_rules({k: kinds[v] for k, v in rules.items()}, problem)

    def chosen(optimizer, problem):
        return judge_of(optimizer.rules(), problem.judge_name).state_dict()

    given = MixtureFreeEnergy(
        torch.from_numpy(X), 3, fixed={"covariances": torch.from_numpy(covariances)}
    )
    estimated = MixtureFreeEnergy(torch.from_numpy(X), 3)
    for problem, name in ((given, "moves"), (estimated, "estimated")):
        torch.testing.assert_close(chosen(shipped, problem), judges[name].state_dict())
        # The one judge of an optimizer that was trained on one kind is that of both.
        torch.testing.assert_close(
            chosen(optimizer(moves="estimated"), problem), judges["estimated"].state_dict()
        )


def test_what_is_learned_begins_from_the_judge_of_its_kind(few):
    X, covariances = few
    judges = LearnedOptimizer.load_pretrained("mixture").rules()
    for known, name in ((covariances, "moves"), (None, "estimated")):
        training = MetaTraining(learning_rate=1e-12)
        model = gso(optimizer="pretrained", n_epochs=1, training=training).fit(X, covariances=known)
        learned = model.learned_optimizer_.rules()
        assert set(learned) == set(judges)
        for kind, judge in learned.items():
            exact = {} if kind == name else {"rtol": 0, "atol": 0}
            torch.testing.assert_close(judge.state_dict(), judges[kind].state_dict(), **exact)


def test_moves_are_judged_by_runs_as_long_as_those_of_the_search(few, monkeypatch):
    X, covariances = few
    learned, searched = [], []

    def noting(module, name, lengths):
        function = getattr(module, name)

        def noted(*arguments):
            lengths.append(arguments[5])  # n_short
            return function(*arguments)

        monkeypatch.setattr(module, name, noted)

    noting(judges, "try_moves", learned)
    noting(local_search, "try_moves", searched)
    for known in (covariances, None):
        learned.clear(), searched.clear()
        model = gso(rule=SMALL, n_epochs=1, max_rounds=2)
        model.fit(X, covariances=known).predict(X, covariances=known)
        assert len(set(learned)) == 1 and set(searched) == set(learned)
