"""The matrices of the tables: a cell says how they are drawn, and seeds are used nowhere else."""

import zlib
from typing import NamedTuple

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import identifiable_components

RATES = (0.2, 0.4, 0.6, 0.8)
RANKS_2 = (5, 10, 20, 40, 80, 100)
K_3 = (10, 20, 40, 80, 100)
RANKS_4 = tuple(range(10, 101, 10))
K_4 = (10, 50, 100)
OVERSAMPLING = (1.2, 1.5, 2.0, 2.5)
NOISES = (0.01, 0.1, 0.3)


class Cell(NamedTuple):
    """How 100 x 100 matrices are drawn, and the number of components asked for.

    ``factors`` is "P" (uniform on [0, 1], the paper's) or "G" (standard normal).
    """

    factors: str = "P"
    rank: int = 5
    rate: float = 0.2
    noise: float = 0.0
    k: int = 5
    max_iter: int = 40

    @property
    def data(self) -> str:
        """Name of the distribution, the same for every ``k``."""
        noise = f", noise {self.noise:g}" if self.noise else ""
        return f"{self.factors}, rank {self.rank}, rate {self.rate:g}{noise}"

    def draw(self, instance: int):
        """One matrix with holes and the truth."""
        X, truth = make_low_rank_tasks(
            1,
            shape=(100, 100),
            rank=self.rank,
            rate=self.rate,
            noise=self.noise,
            factors="uniform" if self.factors == "P" else "gaussian",
            random_state=(zlib.crc32(self.data.encode()) + instance) % 2**31,
        )
        return X[0], truth[0]

    @property
    def capped_k(self) -> int:
        """What counting allows of the components asked for; peers get no more either."""
        return identifiable_components(int(1e4 * self.rate), (100, 100), self.k)


def _tables():
    rho = 5 * 195 / 1e4
    return {
        "table1": [Cell(f, 5, rate) for f in "PG" for rate in RATES],
        "table2": [Cell(f, rank, k=rank) for f in "PG" for rank in RANKS_2],
        "table3": [Cell(f, 10, k=k) for f in "PG" for k in K_3],
        "table4": [Cell(f, rank, k=k) for f in "PG" for k in K_4 for rank in RANKS_4],
        "phase": [Cell("G", 5, round(r * rho, 4), max_iter=200) for r in OVERSAMPLING],
        "noise": [Cell(f, 5, noise=noise) for f in "GP" for noise in NOISES],
    }


TABLES = _tables()


class Wanted(NamedTuple):
    """What the command line asks for: few instances and cells, methods by part of their name."""

    quick: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def includes(self, method) -> bool:
        some = not self.only or any(part in method for part in self.only)
        return some and not any(part in method for part in self.skip)
