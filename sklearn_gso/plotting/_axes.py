"""Where displays are drawn: the axes given, or new ones."""


def one_axes(ax=None):
    """The axes given, or those of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib: install it, or "sklearn-gso[plot]".'
        ) from error
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def panels(n: int, ax=None):
    """A row of axes in the place of the axes given, or in a new figure; and those axes."""
    whole = one_axes(ax)
    figure = whole.figure
    if ax is None:
        figure.set_size_inches(3 * n, 3)
    whole.set_axis_off()
    grid = whole.get_subplotspec().subgridspec(1, n)
    return whole, [figure.add_subplot(cell) for cell in grid]
