"""Images as rows: what makes them comparable, and distances that understand them.

::

    distortion   DistortionKNeighborsClassifier: exact candidates, then distances that follow a
                 bent stroke
    weights      SoftWeights: votes that fade with the distance
    hog          HOG       which way the edges run, cell by cell
    discriminant LocalDiscriminant: a linear map that is learnt, its results rounded to bytes
    deskew       Deskew    writing made upright, its mass in the middle
    blur         Blur      a Gaussian
    stretch      Stretch   the brightest pixel made white
    shift        Shift     moved by whole pixels, mirrored
    base         rows that are images: shapes, bytes, checks

    _distortion.pyx        candidates in the order of a sum of terms, on all threads
    kernels/*.c            the image distortion model, one file per instruction set; tangents
    _histograms.pyx        the histograms of HOG

Every transformer takes rows of pixels (whole numbers 0..255 of any dtype, or such divided by 255),
of square images or of `image_shape`, and returns uint8, which the integer engine searches; each is
computed in whole numbers or rounded in an order of its own, so the bytes do not depend on threads.
"""

from knnc.image.blur import Blur
from knnc.image.deskew import Deskew
from knnc.image.discriminant import LocalDiscriminant
from knnc.image.distortion import DistortionKNeighborsClassifier
from knnc.image.hog import HOG
from knnc.image.shift import Shift
from knnc.image.stretch import Stretch
from knnc.image.weights import SoftWeights

__all__ = [
    "HOG",
    "Blur",
    "Deskew",
    "DistortionKNeighborsClassifier",
    "LocalDiscriminant",
    "Shift",
    "SoftWeights",
    "Stretch",
]
