"""Pictures of data sets, of predictions, and of the neighbours behind them.

==========================  =======================================================================
``SpriteDisplay``           a data set on one sheet, some rows of images for each class
``ReadDisplay``             images, each with the label that was read
``MisreadDisplay``          misread images beside their nearest neighbours
``ConfusionMatrixDisplay``  which classes are taken for which
``NeighborsCurveDisplay``   the score of each number of neighbours
``EmbeddingDisplay``        a data set in the plane by its graph of neighbours; also as it forms
``PixelPairsDisplay``       how well a single pixel tells each pair of classes apart
``ComparisonDisplay``       the accuracy of classifiers on several data sets
``DisputedLabelsDisplay``   training images whose label their neighbours dispute
``NearDuplicatesDisplay``   pairs of images that are the same or nearly so
==========================  =======================================================================

The displays follow scikit-learn's conventions. The constructor takes the data to draw.
``from_estimator``, ``from_predictions`` and ``from_rows`` compute them. ``plot(ax=None)`` draws
into one Axes and sets ``figure_`` and ``ax_``. ``knnc view`` has a command for each display.
matplotlib, of the extra ``plot``, is imported when something is drawn. A figure made here belongs
to the caller, needs no screen, and is freed with the last reference to it. No display opens a
window or registers a figure with pyplot.
"""

from knnc.plot._comparison import ComparisonDisplay, Outcome, compare_classifiers
from knnc.plot._confusion import ConfusionMatrixDisplay
from knnc.plot._curve import NeighborsCurveDisplay
from knnc.plot._embedding import EmbeddingDisplay
from knnc.plot._inspection import DisputedLabelsDisplay, NearDuplicatesDisplay
from knnc.plot._misread import MisreadDisplay
from knnc.plot._pixels import PixelPairs, PixelPairsDisplay, best_single_pixels
from knnc.plot._read import ReadDisplay
from knnc.plot._sprite import SpriteDisplay

__all__ = [
    "ComparisonDisplay",
    "ConfusionMatrixDisplay",
    "DisputedLabelsDisplay",
    "EmbeddingDisplay",
    "MisreadDisplay",
    "NearDuplicatesDisplay",
    "NeighborsCurveDisplay",
    "Outcome",
    "PixelPairs",
    "PixelPairsDisplay",
    "ReadDisplay",
    "SpriteDisplay",
    "best_single_pixels",
    "compare_classifiers",
]
