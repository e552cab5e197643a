"""KServe: V1 (/v1/models/audit:predict) and V2 (/v2/models/audit/infer, JSON and binary)."""

import os

import numpy as np
import uvicorn
from _classifier import Classifier
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput

# KServe has no option for the address to listen on.
_configure = uvicorn.Config.__init__
uvicorn.Config.__init__ = lambda self, *args, **more: _configure(
    self, *args, **{**more, "host": "127.0.0.1"}
)


class Audit(Model):
    def load(self):
        self.model = Classifier()
        self.ready = True
        return True

    async def get_input_types(self):
        shape = [-1, *self.model.shape]
        return [{"name": self.model.input.name, "datatype": "FP32", "shape": shape}]

    async def get_output_types(self):
        return [{"name": self.model.output.name, "datatype": "FP32", "shape": [-1, -1]}]

    def predict(self, payload, headers=None, response_headers=None):
        second = isinstance(payload, InferRequest)
        try:
            x = payload.inputs[0].as_numpy() if second else np.asarray(payload["instances"])
            scores = self.model.scores(x)
        except Exception as error:
            raise InvalidInput(str(error)[:300]) from error
        if not second:
            return {"predictions": scores.tolist()}
        output = InferOutput(name=self.model.output.name, shape=list(scores.shape), datatype="FP32")
        binary = bool(payload.use_binary_outputs or payload.request_outputs)
        output.set_data_from_numpy(scores, binary_data=binary)
        return InferResponse(
            response_id=payload.id or "r",
            model_name=self.name,
            infer_outputs=[output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    audit = Audit("audit")
    audit.load()
    ModelServer(workers=1, http_port=int(os.environ["PORT"]), enable_grpc=False).start([audit])
