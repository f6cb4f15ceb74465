"""Whether a matrix is a table, whose columns have units of their own."""

import numpy as np
import torch

from ...problems import EmpiricalBayesCompletion, identifiable_components, new_generator
from ...rules import ClosedForm
from ...solvers import minimize, rules_for
from ..matrices import densify, line_counts, observed_entries
from ..parallel import share_of_threads
from ..tasks import to_values

# What problems call the units.
SCALES = {"columns": "columns", "matrix": "rms", "none": None}
SCALINGS = ("auto", *SCALES)
# Where columns' standard deviations are, in the geometric mean, less than a third of that of
# all entries, the columns have units of their own; where they are nearly equal it makes no
# difference. Between these it is tried out (benchmarks/LOG.md).
_SURELY, _EQUALLY = 1.0, 0.02
# What is wide is rather a matrix of one unit, some of whose columns hardly vary, as the pixels
# of images: only decades speak against it.
_SURELY_WIDE = 2.0
# Of the mean one: a column that is nearly constant must not decide alone. Among many columns it
# does not, and only without such a bound are decades told from pixels that hardly vary.
_LEAST_VARIANCE, _LEAST_VARIANCE_WIDE = 1e-3, 1e-8
_MIN_ENTRIES = 3
# Entries of a column, for each component and at all: with fewer its noise cannot be told.
_WELL_OBSERVED, _AT_LEAST = 5, 15
# Columns' units must win clearly: a centred column costs a low-rank matrix a component.
_CLEARLY = 2.0
# A share of a column's standard deviation: a matrix that is explained so well is of low rank.
_EXPLAINED = 0.05
# With few entries runs of low rank have not found it yet; where they have found nothing the
# matrix is a table, if it has the shape of one.
_UNEXPLAINED, _TALL = 0.7, 1.5
# Of the entries: what is known in fewer places holds ratings of one unit rather than columns.
_KNOWN = 0.1
# Of an entry that its own fit leaves to the others.
_LEAST_SHARE = 0.1
# Of the tasks of a collection.
_ASKED = 9
# What it is tried out on, and for how long.
_ROWS, _COLUMNS, _SWEEPS = 300, 100, 12


def name_of(scale: str | None) -> str:
    """What users call the units of problems."""
    return next(name for name, known in SCALES.items() if known == scale)


def choose_for_all(arrays, n_components, scaling: str) -> dict:
    """Options ``scale`` and ``noise`` of problems, for all arrays what most of some need.

    ``n_components`` tells the components of an array.
    """
    step = -(-len(arrays) // _ASKED)
    votes = [choose(array, n_components(array), scaling) for array in arrays[::step]]
    units, noises = (max(sorted(set(vote)), key=vote.count) for vote in zip(*votes, strict=True))
    return {"scale": SCALES[units], "noise": noises}


def choose(array, n_components: int, scaling: str = "auto") -> tuple[str, str]:
    """Units and noises of a matrix: of its "columns", or of the whole "matrix".

    Parameters
    ----------
    array : ndarray or sparse array of shape (n_samples, n_features)
    n_components : int
    scaling : str
        One of `SCALINGS`; "none" is returned for the units as it is.

    Returns
    -------
    units, noises : str
        For units "columns" the spread of columns within all entries decides or, where that
        is unclear, left-out entries: the free energy's residuals with each entry left out in
        turn, to first order, of runs of the closed forms with either.
    """
    if array.shape[1] == 1 and scaling == "auto":
        return "columns", "matrix"
    counts = line_counts(array)[1]
    well = np.median(counts) >= max(_WELL_OBSERVED * n_components, _AT_LEAST)
    noises = "columns" if well else "matrix"
    if scaling != "auto":
        return scaling, noises if scaling == "columns" else "matrix"
    tall = is_tall(array)
    excess = _excess(array, counts, tall)
    if excess >= (_SURELY if tall else _SURELY_WIDE):
        return "columns", noises
    if excess < _EQUALLY or _is_scattered(array, counts) or not (well or tall):
        return "matrix", noises
    error, of_units, of_noise = _compare(_part(array), n_components)
    if error < (_EXPLAINED if well else _UNEXPLAINED):
        return "matrix", "matrix"
    units = "columns" if of_units > (_CLEARLY if well else 0) else "matrix"
    return units, noises if of_noise > -_CLEARLY else "matrix"


def is_tall(array) -> bool:
    """Whether a matrix has the shape of a table."""
    counts = line_counts(array)[1]
    tall = array.shape[0] >= _TALL * array.shape[1] and np.median(counts) >= _AT_LEAST
    return bool(tall) and not _is_scattered(array, counts)


def _is_scattered(array, counts) -> bool:
    return counts.sum() < _KNOWN * array.shape[0] * array.shape[1]


def _excess(array, counts, tall) -> float:
    """Log of the standard deviation of all entries over the mean one of the columns."""
    _, columns, values = observed_entries(array)
    # No larger than 1: squares must not overflow.
    values = values / max(np.abs(values).max(initial=0.0), np.finfo(float).tiny)
    n = np.maximum(counts, 1)
    mean = np.bincount(columns, values, len(counts)) / n
    variance = np.bincount(columns, (values - mean[columns]) ** 2, len(counts)) / n
    usable = counts >= _MIN_ENTRIES
    if not usable.any() or not values.var():
        return 0.0
    if not variance[usable].any():
        return np.inf
    if not tall:
        usable &= variance > 0  # constant pixels, which are many, have no units
    least = _LEAST_VARIANCE if tall else _LEAST_VARIANCE_WIDE
    least = least * variance[usable].mean()
    logs = np.log(np.maximum(variance[usable], least))
    return 0.5 * (np.log(values.var()) - np.average(logs, weights=counts[usable]))


def _part(array):
    """Some random rows and columns of a large matrix, always the same ones; dense."""
    random = np.random.RandomState(0)
    rows, columns = (
        np.sort(random.permutation(size)[:most])
        for size, most in zip(array.shape, (_ROWS, _COLUMNS), strict=True)
    )
    return densify(array[rows][:, columns])


@share_of_threads()
def _compare(array, n_components) -> tuple[float, float, float]:
    """Left-out entries of four runs: with each kind of units, and each kind of noise.

    Returns the error with the matrix's units, in standard deviations of the columns, and two
    statistics t over the entries: of how much worse the matrix's units are than the columns',
    and of how much worse one noise is than one for each column.
    """
    k = identifiable_components(
        int(np.isfinite(array).sum()), array.shape, min(n_components + 1, *array.shape)
    )
    values, make = to_values([array]), EmpiricalBayesCompletion
    own = make(values, k, scale="columns").units
    mean = torch.full_like(own["centre"], float(np.nanmean(array)))
    whole = make(values, k, scale="rms", centre=mean).units
    whole["scale"] = whole["scale"] * (own["scale"] > 0)
    units = {name: torch.cat([whole[name], own[name]] * 2) for name in own}
    by_column = torch.tensor([False, False, True, True])
    problem = make(values.repeat(4, 1, 1), k, noise=by_column, **units)
    start = problem.init(new_generator(0))
    rules = rules_for(problem, ClosedForm())
    run = minimize(problem, rules, start, _SWEEPS, safeguard="none")
    with torch.no_grad():
        error, share = problem.left_out(run.variables)
    # The columns' means have been taken from the same entries.
    counts = problem.row_counts["V"][:, None].clamp(min=1)
    less = share - torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None, None] / counts
    error = error * share / less.clamp(min=_LEAST_SHARE)
    error = error * problem.scale / torch.where(own["scale"] > 0, own["scale"], 1.0)
    squares = error.square()[:, problem.observed.mask[0] > 0].numpy()
    of_units, of_noise = _t(squares[2] - squares[3]), _t(squares[1] - squares[3])
    return float(np.sqrt(squares[0].mean())), of_units, of_noise


def _t(differences) -> float:
    spread = differences.std() / np.sqrt(len(differences))
    return float(differences.mean() / max(spread, np.finfo(float).tiny))
