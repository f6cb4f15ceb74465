"""doc/reproduction.md is what the committed results say."""

import re

import numpy as np
import pytest

from benchmarks import claims, drawing, figures, grid, mixture_table, paper, report
from benchmarks.cells import TABLES
from benchmarks.methods import methods
from benchmarks.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results.csv")


def fill(store, table, name, value, n=2):
    """The same errors, around a mean, in all cells of a table."""
    method = methods()[name]
    for cell in TABLES[table]:
        found = [(i, value * (1 + 0.5 * (-1) ** i), 0.125) for i in range(n)]
        if not store.has(cell.data, name, method.settings(cell), 0):
            store.add(cell.data, name, method.settings(cell), found)


def section(page, title):
    return page.split(f"## {title}")[1].split("\n## ")[0]


def test_the_page_is_up_to_date():
    """Else: python -m benchmarks report."""
    assert report.page(Store()) == report.PAGE.read_text()


def test_figures_of_the_page_are_there_and_small():
    shown = re.findall(r"\]\((figures/\w+\.svg)\)", report.PAGE.read_text())
    assert shown == [f"figures/figure{i}.svg" for i in range(3, 9)]
    for name in shown:
        assert (report.PAGE.parent / name).stat().st_size < 150_000


def test_an_empty_store_gives_a_page_without_figures_of_ours(store, tmp_path):
    page = report.page(store, tmp_path)
    assert "Nothing is stored" in page
    assert "Holds" not in page and "Does not hold" not in page
    assert ".svg" not in page
    assert page.count("Not run: ") == len(claims.CLAIMS)
    assert "0 met, 0 missed" in page


@pytest.mark.slow
def test_numbers_of_a_store_land_in_their_tables(store, tmp_path):
    fill(store, "table1", "row+column mean", 0.1234)
    page = report.page(store, tmp_path)
    first = section(page, "Table 1")
    assert "| row+column mean | 0.123 | 0.123 | 0.123 | 0.123 |" in first  # mean and median
    assert "| row+column mean | 0.125 | 0.125 | 0.125 | 0.125 |" in first  # seconds
    assert "| row+column mean | 2 | 2 | 2 | 2 |" in first
    assert "| paper: ALS | 0.864 | 0.717 | 0.423 | 0.228 |" in first
    assert "8 results" not in page and "16 results" in page
    second = section(page, "Table 2")
    assert "| row+column mean | 0.123 | – | – | – | – | – |" in second  # a shared cell


def test_time_growth_and_collections_land_in_the_page(store, tmp_path):
    for name, error in (
        ("fine-tuned", 0.25),
        ("KNN", 0.75),
        ("pretrained", 0.5),
        ("untrained", 0.5),
    ):
        store.add("family digits, 30 % hidden", name, "", [(0, error, 1.5), (1, error, 2.5)])
    store.add("time, 100 instances", "R2RILS", "best", [(0, 1e-5, 0.375)])
    page = report.page(store, tmp_path)
    collections = section(page, "Real collections")
    assert "| fine-tuned | 0.250 |" in collections and "| KNN | 2.000 |" in collections
    assert "| R2RILS | 0.375 |" in section(page, "Time and memory")
    assert "0.2500 beside 0.7500 (KNN, best of 1) | met |" in section(page, "Bars")


def test_tables_of_the_page_are_rectangles():
    for block in re.findall(r"(?:^\|.*\n)+", report.PAGE.read_text(), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1


@pytest.mark.parametrize("factor, holds", [(1.0, True), (0.01, False)])
def test_the_verdict_on_als_depends_on_the_numbers(store, factor, holds):
    method = methods()["ALS"]
    for cell, value in zip(TABLES["table1"], claims.printed("table1", "ALS"), strict=False):
        store.add(cell.data, "ALS", method.settings(cell), [(0, factor * value, 1.0)])
    found, text = claims.als_fails(claims.Results(store))
    assert found is holds
    assert ("not alternating least squares" in text) is not holds
    assert f"{1 / factor:.0f} times" in text


def test_missing_rows_are_named(store):
    results = claims.Results(store)
    with pytest.raises(claims.NotRun, match="row\\+column mean of table3, P"):
        claims.robust_to_k(results)
    fill(store, "table3", "row+column mean", 0.1)
    holds, text = claims.robust_to_k(claims.Results(store))
    assert not holds
    assert "means' 0.100 in 4 of 5 columns (not run: LSTMControl of table3, P)" in text


def test_mixed_ranks_are_counted(store):
    fill(store, "table4", "row+column mean", 0.05)
    fill(store, "table4", "LSTMControl", 0.04)
    _, text = claims.mixed_ranks(claims.Results(store))
    gso = np.array([v for row in paper._TABLE_4.values() for v in row])
    assert f"in {np.sum(gso >= 0.04975)} of 30" in text
    assert "below the means in 30 of 30" in text
    assert f"printed figure in {np.sum(gso * 0.9 >= 0.04)}" in text


def test_gaps_of_mixtures_are_to_the_lowest_row_of_each_problem(store):
    rows = mixture_table.rows()
    store.add("table 5, D=4", mixture_table.EM, rows[mixture_table.EM][1], [(0, 3, 1), (1, 2, 1)])
    store.add("table 5, D=4", mixture_table.GSO, rows[mixture_table.GSO][1], [(0, 1, 1), (1, 4, 1)])
    figures_ = mixture_table.summary(mixture_table.results(store)).xs(4, level="D")
    assert figures_["gap"][mixture_table.EM] == 1.0  # 3 - 1 and 2 - 2
    assert figures_["gap"][mixture_table.GSO] == 1.0  # 1 - 1 and 4 - 2
    assert figures_["within"][mixture_table.EM] == 0.5
    assert figures_["mean"][mixture_table.BEST] == 1.5


@pytest.mark.slow
def test_figures_are_drawn_from_what_is_stored(store, tmp_path):
    assert drawing.draw(store, "figure3", tmp_path) is None
    for t_l, t_u in ((1, 1), (2, 3)):
        pair = grid.settings(t_l, t_u)
        store.add(grid.CELL, grid.METHOD, pair, [(0, 0.1 * t_l, 1.0)])
    assert grid.table(store).stack().dropna().to_dict() == {(1, 1): 0.1, (2, 3): 0.2}
    first = drawing.draw(store, "figure3", tmp_path).read_text()
    assert "t_u" in first and "mean relative error" in first
    assert drawing.draw(store, "figure3", tmp_path).read_text() == first
    settings = f"{figures.curve_rows()['ALS'][1]}, {figures.N_CURVES} matrices"
    for what in ("error", "loss"):
        store.add(f"{figures.CURVES}: {what}", "ALS", settings, [(0, 1.0, 0), (4, 0.01, 0)])
    assert "ALS: error" in drawing.draw(store, "figure4", tmp_path).read_text()
