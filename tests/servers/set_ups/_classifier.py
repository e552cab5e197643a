"""The classifier that every server here serves: one ONNX file, on one CPU thread."""

import io
import os

import numpy as np
import onnxruntime


class Classifier:
    """Inputs ``(n, c, h, w)`` float32 to scores ``(n, classes)``; pictures become inputs."""

    def __init__(self, path=None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path or os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0]
        self.output = self.session.get_outputs()[0]
        self.shape = tuple(self.input.shape[1:])

    def scores(self, inputs):
        batch = np.ascontiguousarray(inputs, dtype=np.float32).reshape(-1, *self.shape)
        return self.session.run(None, {self.input.name: batch})[0]

    def shares(self, inputs):
        scores = self.scores(inputs)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def label(self, inputs):
        return int(self.scores(inputs)[0].argmax())

    def picture(self, data):
        """The input ``(1, c, h, w)`` of a PNG or JPEG, or of an open picture."""
        from PIL import Image

        image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else data
        pixels = np.asarray(image.convert("L" if self.shape[0] == 1 else "RGB"), np.float32)
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        # As the auditor counts: in double precision, rounded once.
        return np.asarray(pixels.astype(np.float64) / 255.0, np.float32)[None]
