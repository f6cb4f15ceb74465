"""Training a completer on a collection: recipes, batches, small tasks, what is said of failures."""

import warnings

import numpy as np
import pytest

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer, _meta_fit
from sklearn_gso._meta_fit import RECIPES, resolve
from sklearn_gso.estimators.tasks import to_tensor
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.rules import LSTMControl, LSTMStep
from sklearn_gso.training.trainer import History


def test_recipes_are_the_papers_and_ours():
    step, control = RECIPES["step"], RECIPES["control"]
    assert step.rule is LSTMStep and control.rule is LSTMControl
    assert (step.max_iter, step.rule.n_inner, step.t_u) == (100, 10, 10)
    assert (step.learning_rate, step.hidden_size, step.anneal) == (1e-3, 20, False)
    assert (control.rule.n_inner, control.t_u) == (1, None)  # one step, the whole run
    assert (step.meta_loss, control.meta_loss) == ("global", "heldout")


def record_training(monkeypatch, easy_tasks, **parameters):
    """What a completer hands to the training, which is left out."""
    seen = {}

    def record(source, rules, n_steps, **options):
        seen.update(options, rules=rules, episode=source(0)[0])
        return History()

    monkeypatch.setattr(_meta_fit, "meta_train", record)
    GSOMatrixCompleter(2, optimizer=None, random_state=0, **parameters).fit(easy_tasks[0])
    return seen


@pytest.mark.parametrize(
    ("rule", "max_iter", "window", "rate", "hidden"),
    [("step", 100, 10, 1e-3, 20), ("control", 40, None, 1e-2, 24)],
)
def test_defaults_reach_the_training(rule, max_iter, window, rate, hidden, monkeypatch, easy_tasks):
    seen = record_training(monkeypatch, easy_tasks, rule=rule)
    assert seen["episode"].max_iter == max_iter and seen["window"] == window
    assert seen["learning_rate"] == rate and seen["weights"] is None
    assert seen["rules"]["U"].hidden_size == hidden
    assert seen["n_inner"] is None  # the rule's own, asserted above


def test_the_papers_networks_have_500_units():
    rule = LSTMStep.paper(reset_state=True)
    assert rule.arguments()["hidden_size"] == 500 and rule.reset_state
    assert [cell.hidden_size for cell in rule.cells] == [500, 500]


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("prior", ["empirical_bayes", "ridge"])
def test_small_tasks_skip_no_step(prior):
    """A tenth of twenty entries is no entry for many a task: its error must have a gradient."""
    X, _ = make_low_rank_tasks(40, shape=(10, 10), rank=2, rate=0.2, random_state=0)
    completer = GSOMatrixCompleter(
        2, optimizer=None, prior=prior, max_iter=4, n_epochs=2, random_state=0
    ).fit(X)
    assert len(completer.history_) == 10 and completer.history_.n_skipped == 0
    assert np.isfinite([record["loss"] for record in completer.history_]).all()


def broken(optimizer):
    weights = {name: np.full(w.shape, np.nan) for name, w in optimizer.weights.items()}
    return LearnedOptimizer(weights, optimizer.description)


def test_skipped_training_is_warned_of(easy_tasks):
    settings = {"max_iter": 3, "n_epochs": 1, "random_state": 0}
    nan = broken(LearnedOptimizer.load_pretrained())
    with pytest.warns(UserWarning, match="3 of 3 training steps were skipped"):
        GSOMatrixCompleter(2, optimizer=nan, batch_size=2, **settings).fit(easy_tasks[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GSOMatrixCompleter(2, **settings).fit(easy_tasks[0])


@pytest.mark.parametrize(
    ("parameters", "n_sweeps"),
    [
        ({"rule": "control", "max_iter": 6}, 6),
        ({"rule": "control", "max_iter": 6, "t_l": 2, "t_u": 3}, 6),
        ({"rule": "step", "max_iter": 6, "t_u": 2}, 20),
        ({"rule": "step", "max_iter": 6}, 60),  # the window ends with the run
    ],
)
def test_batches_fit_the_memory_bound(parameters, n_sweeps, easy_tasks, monkeypatch):
    """As many tasks as fit, one at least, and never more than asked for."""
    sizes = set()
    original = _meta_fit._Episodes.episode

    def counted(self, batch):
        sizes.add(len(batch))
        return original(self, batch)

    monkeypatch.setattr(_meta_fit._Episodes, "episode", counted)
    completer = GSOMatrixCompleter(
        2, optimizer=None, n_epochs=1, batch_size=4, random_state=0, **parameters
    )
    task = 17 * 24 * 18 * n_sweeps
    for bound, largest in ((0.5, 1), (1.5, 1), (2.0, 2), (3.9, 3), (100, 4)):
        sizes.clear()
        monkeypatch.setattr(_meta_fit, "_GRAPH_BOUND", bound * task)
        completer.fit(easy_tasks[0])
        assert max(sizes) == largest


def test_pretrained_optimizers_go_by_name(easy_tasks, tmp_path, monkeypatch):
    names = LearnedOptimizer.pretrained_names()
    assert "completer" in names and names == sorted(names)
    X = easy_tasks[0][0]
    by_name = GSOMatrixCompleter(2, optimizer="completer", random_state=0).fit(X)
    default = GSOMatrixCompleter(2, random_state=0).fit(X)
    assert by_name.learned_optimizer_ == default.learned_optimizer_
    np.testing.assert_array_equal(by_name.transform(X), default.transform(X))
    # Who asks for one by name is told if it does not fit; "pretrained" is the default.
    with pytest.raises(ValueError, match="does not fit this completer"):
        GSOMatrixCompleter(2, optimizer="completer", prior="ridge").fit(X)
    monkeypatch.chdir(tmp_path)
    default.learned_optimizer_.save("mine")
    assert GSOMatrixCompleter(2, optimizer="mine", random_state=0).fit(X).objective_ == (
        default.objective_
    )
    problem = default._problem(to_tensor([X]), 2)
    for name in names:
        found = LearnedOptimizer.load_pretrained(name)
        if found.description["problem"] == type(problem).__name__:
            assert resolve(name, "control", problem) == found
