"""A plain FastAPI application, as people write them: five ways to ask one model."""

import base64
import os

import uvicorn
from _classifier import Classifier
from fastapi import Body, FastAPI, File, Request, UploadFile

app = FastAPI()
model = Classifier()


def answer(data):
    return {"prediction": {"class": str(model.label(model.picture(data)))}}


@app.post("/scores")
def scores(body=Body()):
    return {"outputs": model.shares(body["inputs"]).tolist()}


@app.post("/upload")
def upload(image: UploadFile = File()):
    return answer(image.file.read())


@app.post("/base64")
def as_base64(body=Body()):
    return answer(base64.b64decode(body["image"]))


@app.post("/data-uri")
def data_uri(body=Body()):
    return answer(base64.b64decode(body["image"].partition(",")[2]))


@app.post("/raw")
async def raw(request: Request):
    return answer(await request.body())


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
