"""Peers on ratings: biases of users and items, cmfrec, and myfm's Gibbs sampler."""

import contextlib
import importlib.util
import io
import itertools
import sys
import types
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .rating_data import Ratings, without_a_tenth

SHRINKAGES = (1, 3, 5, 10, 20)
# Factors and their ridge; one ridge for biases and factors would be too small for the latter.
CMFREC = tuple(itertools.product((5, 10, 20), (5.0, 10.0, 20.0, 40.0)))
BIAS_RIDGE = 5.0
# As in myfm's own examples.
RANK, SAMPLES, BURN_IN = 10, 512, 20


class Fitted(NamedTuple):
    """What a method answers once it has been fitted.

    ``predict(users, items)``; ``deviation(users, items)``, the noise included;
    ``fold_in(given, users, items)`` of new users, some of whose ratings are given; and
    ``again(ratings)``, a fit of others with the settings that were found.
    """

    predict: Callable
    deviation: Callable | None = None
    fold_in: Callable | None = None
    again: Callable | None = None


def _best(settings, fit, ratings: Ratings, bounds):
    """The setting that is best on a tenth of the training ratings."""
    rest, held = without_a_tenth(ratings, 0)

    def error(setting):
        predicted = fit(rest, setting).predict(held.users, held.items)
        return np.square(np.clip(predicted, *bounds) - held.values).mean()

    return min(settings, key=error)


def fit_biases(ratings: Ratings, bounds) -> Fitted:
    """Mean and biases, shrunk by the number of ratings that is best."""
    return _biases(ratings, _best(SHRINKAGES, _biases, ratings, bounds))


def _biases(ratings: Ratings, shrinkage, sweeps=10) -> Fitted:
    """By alternating shrunk means."""
    users, items, values, (n_users, n_items) = ratings
    mean, by_user, by_item = values.mean(), np.zeros(n_users), np.zeros(n_items)

    def shrunk(index, residual, size):
        return np.bincount(index, residual, size) / (np.bincount(index, None, size) + shrinkage)

    def of_users(own: Ratings):
        return shrunk(own.users, own.values - mean - by_item[own.items], own.shape[0])

    for _ in range(sweeps):
        by_user = of_users(ratings)
        by_item = shrunk(items, values - mean - by_user[users], n_items)
    return Fitted(
        lambda u, i: mean + by_user[u] + by_item[i],
        fold_in=lambda given, u, i: mean + of_users(given)[u] + by_item[i],
    )


def fit_cmfrec(ratings: Ratings, bounds) -> Fitted:
    """Alternating least squares with biases; number of factors and ridge that are best."""
    setting = _best(CMFREC, _cmfrec, ratings, bounds)
    return _cmfrec(ratings, setting)._replace(again=lambda other: _cmfrec(other, setting))


def _cmfrec(ratings: Ratings, setting) -> Fitted:
    from cmfrec import CMF

    k, ridge = setting
    ridges = [BIAS_RIDGE] * 2 + [ridge] * 4
    # In single precision its closed forms end anywhere, some in NaN.
    model = CMF(k=k, lambda_=ridges, niter=15, use_float=False, nthreads=1, verbose=False)
    model.fit(sparse.coo_matrix(ratings.matrix()))

    def fold_in(given: Ratings, users, items):
        left, bias = model.factors_multiple(sparse.csr_matrix(given.matrix()), return_bias=True)
        estimate = (left[users] * model.B_[items]).sum(1)
        return model.glob_mean_ + bias[users] + model.item_bias_[items] + estimate

    return Fitted(model.predict, fold_in=fold_in)


def fit_myfm(ratings: Ratings, bounds) -> Fitted:
    """A Bayesian factorisation machine: predictions averaged over samples."""
    model = _myfm().MyFMRegressor(rank=RANK, random_seed=0)
    n_users, n = ratings.shape[0], len(ratings.values)
    pairs = np.c_[ratings.users, n_users + ratings.items].ravel()
    ends = np.arange(0, 2 * n + 1, 2)
    with contextlib.redirect_stderr(io.StringIO()):  # its bar cannot be turned off
        model.fit(
            sparse.csr_matrix((np.ones(2 * n), pairs, ends), shape=(n, sum(ratings.shape))),
            ratings.values,
            n_iter=SAMPLES + BURN_IN,
            n_kept_samples=SAMPLES,
            group_shapes=list(ratings.shape),
        )
    samples = model.predictor_.samples
    noise = np.mean([1 / hyper.alpha for hyper in model.history_.hypers[-SAMPLES:]])

    def moments(users, items):
        total, square = np.zeros(len(users)), np.zeros(len(users))
        for s in samples:
            one = s.w0 + s.w[users] + s.w[n_users + items]
            one += (s.V[users] * s.V[n_users + items]).sum(1)
            total, square = total + one, square + one**2
        mean = total / len(samples)
        return mean, np.sqrt(noise + square / len(samples) - mean**2)

    return Fitted(lambda u, i: moments(u, i)[0], lambda u, i: moments(u, i)[1])


def _myfm():
    """The package asks for pkg_resources, which setuptools no longer has, and does not use it."""
    absent = "pkg_resources" not in sys.modules and not importlib.util.find_spec("pkg_resources")
    if absent:
        empty = types.ModuleType("pkg_resources")
        vars(empty).update(DistributionNotFound=Exception, get_distribution=None)
        sys.modules["pkg_resources"] = empty
    import myfm

    return myfm
