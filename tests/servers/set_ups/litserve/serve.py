"""LitServe: POST /predict, {"input": [...]} or a picture in the multipart field "content"."""

import os

import litserve
from _classifier import Classifier


class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = Classifier()

    def decode_request(self, request):
        if "input" in request:
            return request["input"]
        return self.model.picture(request["content"].file.read())

    def predict(self, x):
        return self.model.scores(x)

    def encode_response(self, scores):
        labels = scores.argmax(axis=1).tolist()
        return {"label": labels[0] if len(labels) == 1 else labels}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
