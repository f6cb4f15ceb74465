"""Figures and table 5 are computed piece by piece, and what is stored is what was computed."""

import numpy as np
import pytest

from benchmarks import figures, grid, mixture_table
from benchmarks.cells import Wanted
from benchmarks.store import Store
from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error
from sklearn_gso.rules import recipe

QUICK = Wanted(quick=True)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results.csv")


def test_a_grid_goes_on_and_stores_what_a_training_by_hand_finds(store, monkeypatch):
    small = recipe("step", n_layers=1, hidden_size=4)
    options = {**grid.RECIPE, "rule": small, "max_iter": 4}
    for name, value in {"QUICK": (1, 2), "RECIPE": options, "N_TRAIN": 8, "N_TEST": 4}.items():
        monkeypatch.setattr(grid, name, value)
    store.add(grid.CELL, grid.METHOD, grid.settings(1, 1), [(0, 0.5, 1.0)])
    grid.compute(store, QUICK)
    table = grid.table(store)
    assert list(table.index) == list(table.columns) == [1, 2]
    assert table.notna().all(axis=None)
    assert table.loc[1, 1] == 0.5  # was there, is not trained again
    X, truth = make_low_rank_tasks(12, **grid.DATA)
    step = GSOMatrixCompleter(grid.DATA["rank"], t_l=2, t_u=1, **options).fit(list(X[:8]))
    pairs = zip(truth[8:], step.reconstruct(list(X[8:])), strict=True)
    by_hand = np.mean([relative_error(t, e) for t, e in pairs])
    np.testing.assert_allclose(table.loc[2, 1], by_hand, rtol=1e-5)
    n = len(store.frame)
    grid.compute(store, QUICK)
    assert len(store.frame) == n


@pytest.mark.slow
def test_table_5_goes_on_and_never_ends_above_em_from_the_same_start(store, monkeypatch):
    monkeypatch.setattr(mixture_table, "N_QUICK", 4)
    mixture_table.run(store, QUICK, dimensions=(4,))
    values = mixture_table.values(mixture_table.results(store), 4)
    assert set(values) == {*mixture_table.rows(), mixture_table.TRUTH, mixture_table.BEST}
    assert values.shape == (4, len(mixture_table.rows()) + 2) and values.notna().all(axis=None)
    assert (values[mixture_table.GSO] <= values[mixture_table.EM] + 1e-4).all()  # six digits
    assert values.ge(values[mixture_table.BEST], axis=0).all(axis=None)

    def refuse(*_):
        raise AssertionError("solved again")

    rows = {name: (refuse, settings) for name, (_, settings) in mixture_table.rows().items()}
    monkeypatch.setattr(mixture_table, "rows", lambda: rows)
    mixture_table.run(store, QUICK, dimensions=(4,))
    with pytest.raises(AssertionError, match="solved again"):
        mixture_table.run(store, QUICK, dimensions=(2,))


@pytest.mark.slow
def test_the_way_of_figure_7_leads_from_samples_to_the_end_of_em(store):
    figures.way(store)
    problem = int(figures.ends(store, f"{figures.WAY}, problem", "EM")[0])
    samples = figures.way_tasks()[0][problem]
    way = figures.centres(store, f"{figures.WAY}, way", "EM", 4)
    for start in way[0]:
        assert np.abs(samples - start).sum(1).min() < 1e-3
    ends = figures.centres(store, f"{figures.WAY}, centres", "EM")
    np.testing.assert_allclose(way[-1], ends, rtol=1e-3)
    em, gso = (figures.ends(store, figures.WAY, name)[0] for name in ("EM", "GSO"))
    assert em > gso + figures.CLEARLY
    n = len(store.frame)
    figures.way(store)
    assert len(store.frame) == n
