"""Of many samples some are enough to tell starts and moves apart; all of them have the last say."""

from ...problems import MixtureIncomplete, new_generator
from ...problems.mixture_free_energy import MixtureFreeEnergy

# Samples that starts and moves are judged by: so many, and so many for each number that describes
# a component.
_MIN_SAMPLES, _SAMPLES_A_NUMBER = 20_000, 20


def screened(problem: MixtureFreeEnergy) -> MixtureFreeEnergy:
    """The problem of some of its samples where there are twice as many, else the problem itself.

    Which samples depends on the data alone: neither seeds nor the number of starts change it.
    Samples with holes or noise are all taken.
    """
    d = problem.n_features
    n_numbers = d * (d + 3) // 2 if problem.covariance_type in ("full", "tied") else 2 * d
    n_enough = max(_MIN_SAMPLES, _SAMPLES_A_NUMBER * problem.n_components * n_numbers)
    if problem.n_samples < 2 * n_enough or isinstance(problem, MixtureIncomplete):
        return problem
    return problem.drawn(n_enough, new_generator(0))
