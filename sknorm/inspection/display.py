"""What all displays share: they are drawn into axes that are given, or that they make."""

from abc import abstractmethod
from typing import Any, Self

from sknorm._typing import Strict
from sknorm.inspection.style import axes_for


class Display(Strict):
    """Data of a picture, which :meth:`plot` draws."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        Display
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If ``ax`` is something else.
        """
        axes = axes_for(self, ax, self._size)
        self.ax_, self.figure_ = axes, axes.figure
        self._draw(axes, alone=ax is None)
        return self

    @property
    def _size(self) -> tuple[float, float] | None:
        """Width and height of a figure of its own in inches; None are matplotlib's."""
        return None

    @abstractmethod
    def _draw(self, ax: Any, *, alone: bool) -> None:
        """Draw into axes, which may be ``alone`` in a figure of the display's own."""
