"""Make the picture of keras.md: `python docs/digits.py` trains a small Keras network on digits, and opens it up."""

import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import featuremaps as fm
from featuremaps.plotting.files import png_of

TRAINED = 1500


def handwriting() -> tuple[np.ndarray, np.ndarray]:
    """1,797 digits (picture, 28, 28), 0 to 255, and what they are; the scikit-learn package brings them."""
    found = load_digits()
    small = [Image.fromarray(np.uint8(digit * 15.9)) for digit in found.images]
    large = [each.resize((28, 28), Image.Resampling.BICUBIC) for each in small]
    return np.stack([np.asarray(each) for each in large]), found.target


def trained(pictures: np.ndarray, digits: np.ndarray, epochs: int = 6) -> keras.Model:
    """The network of the page, which names a digit."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu", name="first"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(16, 3, activation="relu", name="second"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    model.fit(pictures[..., None], digits, epochs=epochs, verbose=0)
    return model


def main() -> None:
    """Write docs/digits.jpg, and say how often the network is right."""
    pictures, digits = handwriting()
    model = trained(pictures[:TRAINED], digits[:TRAINED])
    called = model.predict(pictures[TRAINED:, ..., None], verbose=0).argmax(1)
    print(f"right: {(called == digits[TRAINED:]).sum()} of {len(called)}")  # noqa: T201
    with TemporaryDirectory() as folder:
        model.save(Path(folder) / "digits.keras")
        scope = fm.load(f"keras:{folder}/digits.keras", classes=[str(digit) for digit in range(10)])
    shown = pictures[TRAINED + int(np.flatnonzero(digits[TRAINED:] == 3)[0])]
    figures = [
        scope.filters("layers.first").figure(),
        scope.maps(shown, "layers.first").figure(),
        scope.compare(shown, ["occlusion", "integrated_gradients", "kernel_shap"], targets=["3", "5"]).figure(),
    ]
    drawn = [Image.open(BytesIO(png_of(figure))).convert("RGB") for figure in figures]
    whole = Image.new("RGB", (max(each.width for each in drawn), sum(each.height for each in drawn)), "white")
    top = 0
    for each in drawn:
        whole.paste(each, ((whole.width - each.width) // 2, top))
        top += each.height
    small = whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS)
    small.save(Path(__file__).with_suffix(".jpg"), quality=90)


if __name__ == "__main__":
    main()
