"""A Gradio app: a picture in, a label with confidences out."""

import os

import gradio
from _classifier import Classifier

model = Classifier()


def predict(image):
    shares = model.shares(model.picture(image))[0]
    return {str(label): float(share) for label, share in enumerate(shares)}


if __name__ == "__main__":
    grey = "L" if model.shape[0] == 1 else "RGB"
    app = gradio.Interface(
        predict, gradio.Image(type="pil", image_mode=grey), gradio.Label(), api_name="predict"
    )
    app.launch(server_name="127.0.0.1", server_port=int(os.environ["PORT"]), quiet=True)
