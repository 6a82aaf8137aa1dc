"""Widgets that work in JupyterLab and, without a kernel, in the pages of the book."""

from recsys_lib.widgets.atlas import ItemMap
from recsys_lib.widgets.bias import BiasExplorer
from recsys_lib.widgets.demo import RatingDemo
from recsys_lib.widgets.fits import FitExplorer
from recsys_lib.widgets.genres import GenreSliders

__all__ = ["BiasExplorer", "FitExplorer", "GenreSliders", "ItemMap", "RatingDemo"]
