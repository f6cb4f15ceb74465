"""Robust principal components, and what they are measured on."""

import numpy as np

from benchmarks.outliers import CELLS, draw, principal_components


def test_few_outliers_of_a_whole_low_rank_matrix_are_told_apart(rng):
    truth = rng.randn(40, 2) @ rng.randn(2, 40)
    outliers = 10 * rng.randn(40, 40) * (rng.rand(40, 40) < 0.05)
    low = principal_components(truth + outliers, 1 / np.sqrt(40))
    np.testing.assert_allclose(low, truth, atol=1e-4)


def test_outliers_are_moved_no_further_than_said():
    for cell, (noise, far) in CELLS.items():
        X, clean, truth = draw(cell, 0)
        seen = ~np.isnan(X)
        assert (seen == ~np.isnan(clean)).all() and abs(seen.mean() - 0.4) < 0.03
        moved = (clean != X) & seen
        assert 0.03 < moved.sum() / seen.sum() < 0.07
        assert np.abs(X - clean)[moved].max() <= far
        assert abs((clean - truth)[seen].std() - noise) < 0.01
