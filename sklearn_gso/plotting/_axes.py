"""What displays share: where they are drawn."""

from collections.abc import Collection


class Display:
    """Something to be drawn on axes, or on a row of panels in their place."""

    def plot(self, ax=None, **style):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            By default of a new figure. Panels share its place.
        **style
            Of `CompletionDisplay` only: for ``imshow`` of the matrices; they share their colours.

        Returns
        -------
        display : Display
            Itself.

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
        names = self._panels()
        if ax is None:
            size = (3 * len(names), 3) if names else None
            ax = plt.subplots(figsize=size, layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        if names:
            ax.set_axis_off()
            cells = ax.get_subplotspec().subgridspec(1, len(names))
            self.axes_ = {name: ax.figure.add_subplot(cells[i]) for i, name in enumerate(names)}
        self._draw(**style)
        return self

    def _panels(self) -> Collection[str]:
        """Names of the panels; none where all is drawn on the axes themselves."""
        return ()

    def _draw(self):
        raise NotImplementedError
