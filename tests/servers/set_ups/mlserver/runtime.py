"""The model as MLServer loads it."""

from _classifier import Classifier
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse


class OnnxModel(MLModel):
    async def load(self):
        self.model = Classifier(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        try:
            scores = self.model.scores(NumpyCodec.decode_input(payload.inputs[0]))
        except Exception as error:
            raise InferenceError(str(error)[:300]) from error
        output = NumpyCodec.encode_output(self.model.output.name, scores)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
