"""The service as BentoML loads it: POST /classify and /classify_image."""

import bentoml
import numpy as np
from _classifier import Classifier
from PIL import Image as Pictures


@bentoml.service(name="audit", traffic={"timeout": 60}, workers=1)
class Audit:
    def __init__(self):
        self.model = Classifier()

    @bentoml.api
    def classify(self, x: np.ndarray) -> dict:
        return {"labels": self.model.scores(x).argmax(axis=1).tolist()}

    @bentoml.api
    def classify_image(self, image: Pictures.Image) -> dict:
        return {"label": str(self.model.label(self.model.picture(image)))}
