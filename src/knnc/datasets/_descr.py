"""The texts of ``DESCR``: where the data come from, their licence, what to cite."""

MNIST = """\
MNIST: handwritten digits
-------------------------

:Images: 60,000 for training, 10,000 for testing
:Pixels: 28 x 28, one byte each, 0 (background) to 255 (ink)
:Classes: 10, the digits 0 to 9, not quite equally frequent
:Creators: Yann LeCun, Corinna Cortes, Christopher J. C. Burges

The digits come from NIST's Special Databases 3 (written by employees of the US Census Bureau) and
1 (written by high-school students), half and half in both parts. No writer of the training part
wrote in the test part. The two-level originals were scaled to fit 20 x 20 pixels with their
proportions kept, which made the grey levels, and placed in 28 x 28 pixels so that the centre of
mass is in the middle.

Licence: Yann LeCun and Corinna Cortes hold the copyright of MNIST, a work derived from the NIST
databases; it is passed on under the terms of the Creative Commons Attribution-Share Alike 3.0
licence. The data are not part of this package.

Reference: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998). Gradient-based learning applied to
document recognition. Proceedings of the IEEE 86 (11), 2278-2324. https://doi.org/10.1109/5.726791
"""

FASHION_MNIST = """\
Fashion-MNIST: articles of clothing
-----------------------------------

:Images: 60,000 for training, 10,000 for testing
:Pixels: 28 x 28, one byte each, 0 (background) to 255
:Classes: 10, equally frequent in both parts: T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal,
    Shirt, Sneaker, Bag, Ankle boot
:Creators: Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando Research)

Photographs from Zalando's catalogue, turned into grey levels and reduced to the size of MNIST's
digits; the files have MNIST's names, shapes and format, and the task is harder.

Licence: MIT, copyright 2017 Zalando SE. The data are not part of this package.
https://github.com/zalandoresearch/fashion-mnist

Reference: H. Xiao, K. Rasul and R. Vollgraf (2017). Fashion-MNIST: a novel image dataset for
benchmarking machine learning algorithms. https://arxiv.org/abs/1708.07747
"""

KMNIST = """\
Kuzushiji-MNIST: cursive Japanese characters
--------------------------------------------

:Images: 60,000 for training, 10,000 for testing
:Pixels: 28 x 28, one byte each, 0 (background) to 255 (ink)
:Classes: 10, equally frequent in both parts, each a row of Hiragana: o, ki, su, tsu, na, ha, ma,
    ya, re, wo
:Creators: Tarin Clanuwat, Mikel Bober-Irizar, Asanobu Kitamoto, Alex Lamb, Kazuaki Yamamoto,
    David Ha

Characters from books of the 18th century, in the format of MNIST; the task is harder.

Licence: Creative Commons Attribution-Share Alike 4.0. The data are not part of this package.
https://github.com/rois-codh/kmnist

Reference: T. Clanuwat et al. (2018). Deep learning for classical Japanese literature.
https://arxiv.org/abs/1812.01718
"""

QMNIST = """\
QMNIST: MNIST made again, with all of its test digits
-----------------------------------------------------

:Images: 60,000 for training, 60,000 for testing; the first 10,000 of these are MNIST's
:Pixels: 28 x 28, one byte each, 0 (background) to 255 (ink)
:Classes: 10, the digits 0 to 9
:Creators: Chhavi Yadav, Leon Bottou

The images were made from NIST's Special Database 19 by steps that come as near to those of MNIST as
can be told. They differ from MNIST's by little, in nearly all images.

Licence: see https://github.com/facebookresearch/qmnist. The data are not part of this package.

Reference: C. Yadav and L. Bottou (2019). Cold case: the lost MNIST digits.
https://arxiv.org/abs/1905.10498
"""

EMNIST = """\
EMNIST {split}: handwritten digits and letters
----------------------------------------------

:Images: {n_train:,} for training, {n_test:,} for testing
:Pixels: 28 x 28, one byte each, 0 (background) to 255 (ink)
:Classes: {n_classes}
:Creators: Gregory Cohen, Saeed Afshar, Jonathan Tapson, Andre van Schaik

Characters of NIST's Special Database 19 in the format of MNIST. The files store images transposed;
here they are upright.

Licence: see https://www.nist.gov/itl/products-and-services/emnist-dataset. The data are not part of
this package.

Reference: G. Cohen, S. Afshar, J. Tapson and A. van Schaik (2017). EMNIST: an extension of MNIST to
handwritten letters. https://arxiv.org/abs/1702.05373
"""

USPS = """\
USPS: digits of postal codes
----------------------------

:Images: 7,291 for training, 2,007 for testing
:Pixels: 16 x 16; the files hold numbers from -1 to 1, which are rounded here to
    0 (background) to 255
:Classes: 10, the digits 0 to 9

Digits from envelopes that the United States Postal Service scanned. The test part is hard: people
misread about 2.5 % of it.

Licence: none is stated at
https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps. The data are not part
of this package.

Reference: J. J. Hull (1994). A database for handwritten text recognition research. IEEE
Transactions on Pattern Analysis and Machine Intelligence 16 (5), 550-554.
https://doi.org/10.1109/34.291440
"""

DIGITS = """\
Digits: optical recognition of handwritten digits
-------------------------------------------------

:Images: 1,797
:Pixels: 8 x 8, one byte each, 0 (background) to 16 (ink): counts, not grey levels up to 255
:Classes: 10, the digits 0 to 9, about equally frequent
:Creators: Ethem Alpaydin, Cenk Kaynak (1998)

The copy that comes with scikit-learn, which is the test part of the UCI data set: 13 people wrote
it, none of whom wrote in UCI's training part. A pixel is the number of ink dots in a 4 x 4 block
of a 32 x 32 scan.

Licence: Creative Commons Attribution 4.0 (UCI Machine Learning Repository).
https://doi.org/10.24432/C50P49

Reference: E. Alpaydin and C. Kaynak (1998). Cascading classifiers. Kybernetika 34 (4), 369-374.
"""

PRINTED = """\
Printed digits
--------------

:Images: 16 of each digit and font
:Pixels: 28 x 28, one byte each, 0 (background) to 255 (ink)
:Classes: 10, the digits 0 to 9, equally frequent

Digits drawn with fonts that come with matplotlib and Pillow, in many widths, slants, weights and
sizes. The training part has DejaVu, Computer Modern and Aileron, the test part STIX and Computer
Modern Typewriter. The fonts are not part of this package.
"""

DIGITS_SPLIT = """
The split: the first {n_train:,} rows are for training and the last {n_test:,} for testing,
unshuffled. The rows come in 14 runs of about 130, each the same text of digits written out once,
and the split is where the ninth run starts. As 13 people wrote 14 runs, at most one of them can be
on both sides. Shuffled rows would put everyone's handwriting on both, and the score would be
higher for it.
"""

IDX_FOLDER = """\
Images and labels from IDX files
--------------------------------

:Images: {n_images:,}
:Shape of an image: {shape}
:Files: {images}, {labels}
"""
