"""What a fit on a collection trains: recipes, passes, batches, and what is said of failures."""

import warnings

import numpy as np
import pytest

from sklearn_gso import GSOGaussianMixture, GSOMatrixCompleter, LearnedOptimizer, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.learned_optimizers import resolve_optimizer
from sklearn_gso.problems import EmpiricalBayesCompletion, MixtureFreeEnergy
from sklearn_gso.rules import LSTMControl, LSTMJudge, LSTMStep, recipe
from sklearn_gso.training import History, TaskEpisodes, table_loss


@pytest.fixture(scope="module")
def points():
    return make_mixture_tasks(9, n_components=3, n_samples=60, random_state=0)[0]


def judge(training=None, **parameters):
    """A mixture whose judge is small and quick to train."""
    settings = {"rule": recipe("moves", hidden_size=4), "optimizer": None, "random_state": 0}
    return GSOGaussianMixture(3, training=training, **{**settings, **parameters})


# Recipes --------------------------------------------------------------------------------


def test_recipes_are_the_papers_and_ours():
    step, control = recipe("step"), recipe("control")
    assert step.network is LSTMStep and control.network is LSTMControl
    assert (step.max_iter, step.network.t_l, step.t_u) == (100, 10, 10)
    assert (step.learning_rate, step.arguments["hidden_size"], step.anneal) == (1e-3, 20, False)
    assert (control.network.t_l, control.t_u) == (1, None)  # one step, the whole run
    assert (step.loss, control.loss) == ("global", "heldout")


def record_training(monkeypatch, easy_tasks, **parameters):
    """What a completer hands to the training, which is left out."""
    seen = {}

    def record(source, rules, n_steps, **options):
        one_pass = [source(0)[0] for _ in range(source.n_steps)]
        seen.update(options, rules=rules, n_steps=n_steps, episodes=one_pass)
        return History()

    monkeypatch.setattr("sklearn_gso.estimators.learning.meta_train", record)
    settings = {"optimizer": None, "random_state": 0}
    GSOMatrixCompleter(2, **{**settings, **parameters}).fit(easy_tasks[0])
    return seen


@pytest.mark.parametrize(
    ("rule", "max_iter", "t_u", "rate", "hidden"),
    [("step", 100, 10, 1e-3, 20), ("control", 40, None, 1e-2, 24)],
)
def test_defaults_reach_the_training(rule, max_iter, t_u, rate, hidden, monkeypatch, easy_tasks):
    seen = record_training(monkeypatch, easy_tasks, rule=rule)
    assert seen["episodes"][0].max_iter == max_iter and seen["t_u"] == t_u
    assert seen["learning_rate"] == rate and seen["weights"] is None
    assert seen["rules"]["U"].hidden_size == hidden
    assert seen["t_l"] is None  # the rule's own, asserted above


def test_what_is_asked_for_reaches_the_training(monkeypatch, easy_tasks):
    settings = {"loss": "global", "loss_weights": [1, 2, 3], "batch_size": 2, "learning_rate": 0.5}
    small = recipe("step", hidden_size=3, n_layers=1, shared=True, scale=0.2)
    seen = record_training(
        monkeypatch,
        easy_tasks,
        rule=small,
        max_iter=3,
        t_l=2,
        t_u=2,
        n_epochs=4,
        training=MetaTraining(validation_fraction=0.0, **settings),
    )
    assert (seen["t_l"], seen["t_u"], seen["learning_rate"]) == (2, 2, 0.5)
    assert seen["weights"] == [1, 2, 3] and list(seen["validation"]) == []
    assert [e.problem.n_tasks for e in seen["episodes"]] == [2, 2, 2] and seen["n_steps"] == 12
    assert {e.judge for e in seen["episodes"]} == {None}
    network = seen["rules"]["U"]
    assert network is seen["rules"]["V"]
    assert (network.hidden_size, network.n_layers, network.scale) == (3, 1, 0.2)


def test_the_papers_networks_have_500_units():
    rule = LSTMStep.paper(reset_state=True)
    assert rule.arguments()["hidden_size"] == 500 and rule.reset_state
    assert [cell.hidden_size for cell in rule.cells] == [500, 500]


def test_pretrained_optimizers_go_by_name(easy_tasks, tmp_path, monkeypatch):
    names = LearnedOptimizer.pretrained_names()
    assert names == sorted(names)
    assert {"completer", "deconvolution", "dictionary", "mixture", "mixture_step"} < set(names)
    assert {"nonnegative_sources", "sparse_sources"} < set(names)
    X = easy_tasks[0][0]
    short = {"max_iter": 3, "n_init": 1, "scaling": "matrix", "random_state": 0}
    by_name = GSOMatrixCompleter(2, optimizer="completer", **short).fit(X)
    default = GSOMatrixCompleter(2, **short).fit(X)
    assert by_name.learned_optimizer_ == default.learned_optimizer_
    np.testing.assert_array_equal(by_name.transform(X), default.transform(X))
    # Who asks for one by name is told if it does not fit; "pretrained" is the default.
    with pytest.raises(ValueError, match="does not fit this estimator"):
        GSOMatrixCompleter(2, optimizer="completer", alpha=1e-3).fit(X)
    assert GSOMatrixCompleter(2, alpha=1e-3, max_iter=3).fit(X).learned_optimizer_ is None
    monkeypatch.chdir(tmp_path)
    default.learned_optimizer_.save("mine")
    mine = GSOMatrixCompleter(2, optimizer="mine", **short).fit(X)
    assert mine.objective_ == default.objective_
    fitting = {
        "completer": (LSTMControl, EmpiricalBayesCompletion),
        "mixture": (LSTMJudge, MixtureFreeEnergy),
    }
    for name, kinds in fitting.items():
        shipped = LearnedOptimizer.load_pretrained(name)
        assert resolve_optimizer(name, None, *kinds) == shipped
        assert resolve_optimizer("pretrained", name, *kinds) == shipped


def test_choosing_an_optimizer_builds_no_problem(easy_tasks, monkeypatch):
    """Neither of the class that is asked for nor of the data."""

    def built(self, *args, **options):
        raise AssertionError("a problem was built")

    monkeypatch.setattr(EmpiricalBayesCompletion, "__init__", built)
    shipped = LearnedOptimizer.load_pretrained("completer")
    kinds = (LSTMControl, EmpiricalBayesCompletion)
    assert resolve_optimizer("pretrained", "completer", *kinds) == shipped
    with pytest.raises(ValueError, match="its rule is 'LSTMControl', wanted 'LSTMStep'"):
        resolve_optimizer("completer", None, LSTMStep, EmpiricalBayesCompletion)
    for X in (easy_tasks[0], easy_tasks[0][0]):
        completer = GSOMatrixCompleter(2, optimizer="mixture", scaling="matrix", n_epochs=1)
        with pytest.raises(ValueError, match="does not fit this estimator"):
            completer.fit(X)


# Passes and batches ---------------------------------------------------------------------


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_epochs_of_completers_are_passes_over_the_tasks(n_epochs, easy_tasks, monkeypatch):
    drawn, original = [], TaskEpisodes.episode

    def counted(self, numbers):
        drawn.extend(numbers)
        return original(self, numbers)

    monkeypatch.setattr(TaskEpisodes, "episode", counted)
    training = MetaTraining(batch_size=2, validation_fraction=0.34)
    completer = GSOMatrixCompleter(
        2, max_iter=2, n_epochs=n_epochs, training=training, scaling="matrix", random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so little training brings nothing
        completer.fit(easy_tasks[0])
    counts = np.bincount(drawn, minlength=6)
    assert sorted(counts) == sorted([1, 1] + 4 * [n_epochs])  # two to validate on
    assert completer.history_.n_steps == 2 * n_epochs


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_epochs_of_mixtures_are_passes_over_the_tables(n_epochs, points, monkeypatch):
    """Each table of local optima is drawn once in each pass, those set aside never."""
    drawn = []

    def counted(judge, table, generator):
        loss = table_loss(judge, table, generator)
        if loss.requires_grad:
            drawn.append(id(table))
        return loss

    monkeypatch.setattr("sklearn_gso.training.judges.table_loss", counted)
    training = MetaTraining(batch_size=4, validation_fraction=0.25)
    mixture = judge(training, n_epochs=n_epochs).fit(points)
    counts = np.unique(drawn, return_counts=True)[1]
    assert (counts == n_epochs).all()
    assert mixture.history_.n_steps == n_epochs * -(-len(counts) // 4)


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
    parameters["scaling"] = "matrix"
    task = 17 * 24 * 18 * n_sweeps
    for bound, largest in ((0.5, 1), (1.5, 1), (2.0, 2), (3.9, 3), (100, 4)):
        monkeypatch.setattr("sklearn_gso.training.episodes._MAX_GRAPH", bound * task)
        training = MetaTraining(batch_size=4)
        seen = record_training(monkeypatch, easy_tasks, training=training, **parameters)
        assert max(episode.problem.n_tasks for episode in seen["episodes"]) == largest


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.filterwarnings("ignore:Training has not improved")
@pytest.mark.parametrize("alpha", [None, 1e-3])
def test_small_tasks_skip_no_step(alpha):
    """A tenth of twenty entries is no entry for many a task: its error must have a gradient."""
    X, _ = make_low_rank_tasks(40, shape=(10, 10), rank=2, rate=0.2, random_state=0)
    completer = GSOMatrixCompleter(
        2, optimizer=None, alpha=alpha, max_iter=2, n_epochs=2, scaling="matrix", random_state=0
    ).fit(X)
    assert completer.history_.n_steps == 10 and completer.history_.n_skipped == 0
    losses = [record["loss"] for record in completer.history_ if record["step"] >= 0]
    assert np.isfinite(losses).all()


# What is said of it ---------------------------------------------------------------------


def broken(optimizer):
    weights = {name: np.full(w.shape, np.nan) for name, w in optimizer.weights.items()}
    return LearnedOptimizer(weights, optimizer.description)


def test_skipped_training_is_warned_of(easy_tasks):
    nan = broken(LearnedOptimizer.load_pretrained())
    completer = GSOMatrixCompleter(
        2,
        optimizer=nan,
        max_iter=3,
        n_epochs=1,
        training=MetaTraining(batch_size=2),
        random_state=0,
    )
    with pytest.warns(UserWarning, match="3 of 3 training steps were skipped"):
        completer.fit(easy_tasks[0])


def kept_start(caught):
    return [w for w in caught if str(w.message).startswith("Training has not improved on its")]


TOO_FAST = MetaTraining(learning_rate=1e3)


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        ("completer", "pretrained"),
        ("completer", None),
        pytest.param("mixture", "pretrained", marks=pytest.mark.slow),
    ],
)
def test_training_that_brings_nothing_keeps_the_start_and_says_so(kind, optimizer, easy_tasks):
    """A learning rate that wrecks every checkpoint."""
    if kind == "completer":
        estimator = GSOMatrixCompleter(2, max_iter=3, n_epochs=2, scaling="matrix", random_state=0)
        X = easy_tasks[0]
    else:
        estimator = judge(n_epochs=2, rule="moves")
        # Data where a wrecked judge is not right by chance.
        X = make_mixture_tasks(12, n_components=3, n_samples=60, random_state=1)[0]
    estimator.set_params(optimizer=optimizer, training=TOO_FAST)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X)
    (warning,) = kept_start(caught)
    assert warning.filename == __file__, "the line that called the package"
    history, learned = estimator.history_, estimator.learned_optimizer_
    assert history.kept_the_start and history.best_trained >= history.before
    assert f"validation {history.before:.4g} before it, {history.best_trained:.4g} after" in str(
        warning.message
    )
    assert history[0] == {"step": -1, "validation": history.before}
    description = learned.description
    assert description["validation_before"] == description["validation_after"] == history.before
    assert description["n_steps"] == history.n_steps > 0
    if optimizer == "pretrained":
        start = LearnedOptimizer.load_pretrained(kind)
        assert learned.has_weights_of(start)
        assert description["started_from"] == start.digest()
        assert learned.is_general == start.is_general
    else:
        assert description["started_from"] is None


def test_training_that_helps_says_what_it_brought(easy_tasks):
    completer = GSOMatrixCompleter(
        2, optimizer=None, max_iter=4, n_epochs=8, scaling="matrix", random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        completer.fit(easy_tasks[0], easy_tasks[1])
    assert not caught
    history, description = completer.history_, completer.learned_optimizer_.description
    assert history.after < history.before and not history.kept_the_start
    assert (description["validation_before"], description["validation_after"]) == (
        history.before,
        history.after,
    )
    assert not completer.learned_optimizer_.is_general


def test_without_validation_nothing_is_said(easy_tasks):
    training = MetaTraining(validation_fraction=0.0, learning_rate=1e3)
    completer = GSOMatrixCompleter(2, max_iter=3, n_epochs=1, training=training, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        completer.fit(easy_tasks[0])
    assert not kept_start(caught)
    description = completer.learned_optimizer_.description
    assert description["validation_before"] is description["validation_after"] is None


# Learning while solving -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("start", ["pretrained", None])
def test_a_fit_on_one_goes_on_learning_on_it(start, easy_tasks):
    X = easy_tasks[0][0]
    settings = {"optimizer": start, "n_epochs": 0, "max_iter": 4, "n_init": 1, "random_state": 0}
    plain = GSOMatrixCompleter(2, **settings).fit(X)
    learning = GSOMatrixCompleter(2, training=MetaTraining(instance_epochs=3), **settings).fit(X)
    assert learning.history_.n_steps == 3 and not hasattr(plain, "history_")
    assert "1 tasks" in learning.learned_optimizer_.description["trained_on"]
    after, before = learning.history_.after, learning.history_.before
    assert after <= before
    if after < before:
        assert learning.learned_optimizer_ != plain.learned_optimizer_
    # What was learned travels: with it and no more passes the same answer.
    settings |= {"optimizer": learning.learned_optimizer_}
    again = GSOMatrixCompleter(2, **settings).fit(X)
    np.testing.assert_array_equal(again.transform(X), learning.transform(X))


def test_passes_on_one_and_passes_on_a_collection_are_apart(easy_tasks):
    training = MetaTraining(instance_epochs=5)
    settings = {"max_iter": 3, "n_init": 1, "random_state": 0, "training": training}
    completer = GSOMatrixCompleter(2, n_epochs=0, **settings).fit(easy_tasks[0])
    assert completer.history_.n_steps == 0


def test_a_judge_goes_on_learning_on_one(points):
    one = judge(MetaTraining(instance_epochs=2), n_epochs=0).fit(points[0])
    assert one.learned_optimizer_ is not None and one.history_.n_steps > 0
