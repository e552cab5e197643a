"""Mosec: POST /inference, the picture itself."""

import os
import sys

from _classifier import Classifier
from mosec import Server, Worker


class Classify(Worker):
    def __init__(self):
        super().__init__()
        self.model = Classifier()

    def deserialize(self, data):
        return bytes(data)

    def forward(self, data):
        return {"label": self.model.label(self.model.picture(data))}


if __name__ == "__main__":
    sys.argv += ["--address", "127.0.0.1", "--port", os.environ["PORT"], "--timeout", "30000"]
    server = Server()
    server.append_worker(Classify, num=1)
    server.run()
