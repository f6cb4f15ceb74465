"""Figures and table 5 are computed piece by piece, and what is stored is what was computed."""

import numpy as np
import pytest

from benchmarks import figures, grid, mixture_table
from benchmarks.store import Store
from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results.csv")


def test_a_grid_goes_on_and_stores_what_a_training_by_hand_finds(store, monkeypatch):
    recipe = {**grid.RECIPE, "max_iter": 4, "batch_size": 4, "hidden_size": 4}
    for name, value in {"QUICK": (1, 2), "RECIPE": recipe, "N_TRAIN": 8, "N_TEST": 4}.items():
        monkeypatch.setattr(grid, name, value)
    store.add(grid.CELL, grid.METHOD, grid.settings(1, 1), [(0, 0.5, 1.0)])
    grid.compute(store, quick=True)
    found = grid.errors(store)
    assert set(found) == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert found[1, 1] == 0.5  # was there, is not trained again
    X, truth = make_low_rank_tasks(12, **grid.DATA)
    step = GSOMatrixCompleter(grid.DATA["rank"], t_l=2, t_u=1, **recipe).fit(list(X[:8]))
    pairs = zip(truth[8:], step.reconstruct(list(X[8:])), strict=True)
    by_hand = np.mean([relative_error(t, e) for t, e in pairs])
    np.testing.assert_allclose(found[2, 1], by_hand, rtol=1e-5)
    n = len(store.rows)
    grid.compute(store, quick=True)
    assert len(store.rows) == n


def test_table_5_goes_on_and_never_ends_above_em_from_the_same_start(store, monkeypatch):
    monkeypatch.setattr(mixture_table, "N_QUICK", 4)
    mixture_table.run(store, quick=True, dimensions=(4,))
    found = mixture_table.found(store, 4)
    assert set(found) == {*mixture_table.rows(), mixture_table.TRUTH, mixture_table.BEST}
    assert all(len(values) == 4 for values in found.values())
    assert (found[mixture_table.GSO] <= found[mixture_table.EM] + 1e-4).all()  # six digits
    assert all((found[mixture_table.BEST] <= values).all() for values in found.values())

    def refuse(*_):
        raise AssertionError("solved again")

    monkeypatch.setattr(mixture_table, "solve_all", refuse)
    monkeypatch.setattr(mixture_table, "run_step", refuse)
    mixture_table.run(store, quick=True, dimensions=(4,))
    with pytest.raises(AssertionError, match="solved again"):
        mixture_table.run(store, quick=True, dimensions=(2,))


def test_the_way_of_figure_7_leads_from_samples_to_the_end_of_em(store):
    figures.way(store)
    problem = int(store.errors(f"{figures.WAY}, problem", "EM")[0])
    samples = figures.way_tasks()[0][problem]
    way = figures.centres(store, f"{figures.WAY}, way", "EM", 4)
    for start in way[0]:
        assert np.abs(samples - start).sum(1).min() < 1e-3
    ends = {name: figures.centres(store, f"{figures.WAY}, centres", name) for name in figures.BOTH}
    np.testing.assert_allclose(way[-1], ends["EM"], rtol=1e-3)
    values = [store.errors(figures.WAY, name)[0] for name in ("EM", "GSO")]
    assert values[0] > values[1] + figures.CLEARLY
    n = len(store.rows)
    figures.way(store)
    assert len(store.rows) == n
