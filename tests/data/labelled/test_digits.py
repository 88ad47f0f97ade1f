import torch
from sklearn.datasets import load_digits

from subband.data.labelled.digits import digits


def test_images_and_labels_belong_together():
    data = digits(augment="none")
    bunch = load_digits()
    known = {
        image.astype("uint8").tobytes(): int(label) for image, label in zip(bunch.images, bunch.target, strict=True)
    }
    for split in (data.train, data.val, data.test):
        for index in range(0, len(split), 7):
            image, label = split[index]
            pixels = (data.spec.preprocessing.denormalize(image)[0] * 16).round().to(torch.uint8)
            assert known[pixels.numpy().tobytes()] == label


def test_enlarged():
    assert digits(img_size=32).train[0][0].shape == (3, 32, 32)
