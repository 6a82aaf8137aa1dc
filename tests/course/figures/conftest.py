"""What the tests of figures share: the book's look, and how a figure is read back."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from course.figures import style


class Reader:
    """Reads figures: what is drawn, and what is written on them."""

    def lines(self, axes):
        return {line.get_label(): line for line in axes.lines}

    def values(self, axes):
        """The heights of each named line."""
        return {name: list(line.get_ydata()) for name, line in self.lines(axes).items()}

    def words(self, axes):
        return [text.get_text() for text in axes.texts if text.get_text()]

    def ticks(self, axis):
        return [label.get_text() for label in axis.get_ticklabels()]

    def legend(self, holder):
        legend = holder.legends[0] if hasattr(holder, "legends") and holder.legends else None
        legend = legend or holder.get_legend()
        return [text.get_text() for text in legend.get_texts()]

    def overlapping(self, texts):
        """The pairs of texts that run into each other on the page; nothing may be cut off."""
        texts = [text for text in texts if text.get_text()]
        figure = texts[0].figure
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in texts]
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
        return sum(one.overlaps(two) for k, one in enumerate(boxes) for two in boxes[:k])


@pytest.fixture(scope="session")
def read():
    return Reader()


@pytest.fixture(autouse=True)
def look():
    mpl.use("Agg")
    with mpl.rc_context():
        style.use_style()
        yield
    plt.close("all")
