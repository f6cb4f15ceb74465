"""The benchmark of cluster sets measures what it says."""

import numpy as np
import pytest

from benchmarks import clusters
from benchmarks.peers import random_swap
from benchmarks.store import Store

CENTRES = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])


def samples(seed=0):
    rng = np.random.RandomState(seed)
    return CENTRES.repeat(30, axis=0) + rng.normal(size=(120, 2)), np.arange(4).repeat(30)


def test_centroid_index_counts_what_is_missed():
    assert clusters.centroid_index(CENTRES[::-1] + 0.1, CENTRES) == 0
    two_in_one = CENTRES[[0, 0, 2, 3]] + [[0, 0], [0.5, 0], [0, 0], [0, 0]]
    assert clusters.centroid_index(two_in_one, CENTRES) == 1
    assert clusters.centroid_index(CENTRES[:2], CENTRES) == 2
    assert clusters.centroid_index(CENTRES, CENTRES[:2]) == 2


@pytest.mark.parametrize("seed", range(3))
def test_random_swap_finds_plain_clusters_and_ends_where_k_means_stands(seed):
    X, labels = samples(seed)
    centres = random_swap(X, 4, n_swaps=60, random_state=seed)
    assert clusters.centroid_index(centres, CENTRES) == 0
    means = np.stack([X[labels == k].mean(0) for k in range(4)])
    order = np.lexsort(centres.T.round(0))
    np.testing.assert_allclose(centres[order], means[np.lexsort(means.T.round(0))], atol=1e-9)


def test_more_swaps_are_never_worse():
    X = np.random.RandomState(0).normal(size=(200, 2))

    def error(n_swaps):
        centres = random_swap(X, 6, n_swaps=n_swaps, random_state=1)
        return np.square(X[:, None] - centres).sum(2).min(1).sum()

    errors = [error(n) for n in (0, 5, 50)]
    assert errors[0] >= errors[1] >= errors[2]


def test_runs_are_stored_and_summed_up(tmp_path, monkeypatch):
    X, labels = samples()
    np.savetxt(tmp_path / "s1.data.gz", X)
    np.savetxt(tmp_path / "s1.labels.gz", labels)  # 0 is none: 3 clusters are labelled
    monkeypatch.setitem(clusters.SETS, "s1", 3)
    store, methods = Store(tmp_path / "clusters.csv"), [clusters.THEIRS, clusters.SWAPS]
    clusters.run(store, tmp_path, ["s1"], methods, 2)
    table = clusters.results(store, ["s1"], methods, 2)
    assert list(table.index) == [("s1", method) for method in methods]
    assert list(table["runs"]) == [2, 2]
    assert len(clusters.load(tmp_path, "s1")[1]) == 3
    assert (table["right"] == 2).tolist() == (table["index"] == 0).tolist()
    assert table["score"].isna().tolist() == [False, True]
    clusters.run(store, tmp_path, ["s1"], methods, 2)
    assert "ran" not in store.said()
