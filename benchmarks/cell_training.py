"""Rules for a cell of a benchmark, trained on other draws of that cell."""

from sklearn_gso import LearnedOptimizer

STEP, TUNED = "the paper's LSTMStep", "fine-tuned, 40 sweeps"
N_TASKS, FIRST_SEED = 16, 1000
_STEP_EPOCHS, _STEP_SWEEPS, _TUNED_EPOCHS, TUNED_SWEEPS = 4, 100, 8, 40
STEP_SETTINGS = f"step, {N_TASKS} data sets, {_STEP_EPOCHS} passes"
TUNED_SETTINGS = f"{N_TASKS} data sets, {_TUNED_EPOCHS} passes"
# Of every estimator; the rest of the recipe is its default: t_u = 10, on the global loss.
STEP_OPTIONS = {"rule": "step", "max_iter": _STEP_SWEEPS, "n_init": 1, "tol": None}
TUNED_OPTIONS = {"max_iter": TUNED_SWEEPS, "n_init": 1, "tol": None}


def _trained(estimator, draw, **options) -> LearnedOptimizer:
    tasks = [draw(FIRST_SEED + i) for i in range(N_TASKS)]
    return estimator.set_params(random_state=0, **options).fit(tasks).learned_optimizer_


def trained_step(estimator, draw) -> LearnedOptimizer:
    """The paper's `LSTMStep` for each block, after a few passes over other data sets.

    Parameters
    ----------
    estimator : AlternatingEstimator
        With the options of the cell; those of training are set here.
    draw : callable
        From a seed to a data set.
    """
    return _trained(estimator, draw, **STEP_OPTIONS, optimizer=None, n_epochs=_STEP_EPOCHS)


def fine_tuned(estimator, draw) -> LearnedOptimizer:
    """The shipped rule, after some passes over other data sets; as `trained_step`."""
    own = {"optimizer": "pretrained", "n_epochs": _TUNED_EPOCHS}
    return _trained(estimator, draw, **TUNED_OPTIONS, **own)
