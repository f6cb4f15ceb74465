"""The paper's `LSTMStep` for a cell of a benchmark: trained on other draws of that cell."""

from sklearn_gso import LearnedOptimizer

NAME = "the paper's LSTMStep"
N_TASKS, N_EPOCHS, FIRST_SEED, SWEEPS = 16, 4, 1000, 100
SETTINGS = f"step, {N_TASKS} data sets, {N_EPOCHS} passes"
# Of every estimator; the rest of the recipe is its default: t_u = 10, on the global loss.
OPTIONS = {"rule": "step", "max_iter": SWEEPS, "n_init": 1, "tol": None}


def trained_step(estimator, draw) -> LearnedOptimizer:
    """An `LSTMStep` for each block, after a few passes over other data sets.

    Parameters
    ----------
    estimator : AlternatingEstimator
        With the options of the cell; those of training are set here.
    draw : callable
        From a seed to a data set.
    """
    tasks = [draw(FIRST_SEED + i) for i in range(N_TASKS)]
    estimator.set_params(**OPTIONS, optimizer=None, n_epochs=N_EPOCHS, random_state=0)
    return estimator.fit(tasks).learned_optimizer_
