"""MLflow model server: POST /invocations, the ONNX flavour."""

import os
import sys
from pathlib import Path

import mlflow
import onnx

if __name__ == "__main__":
    folder, scripts = Path(os.environ["FOLDER"]), Path(sys.executable).parent
    mlflow.onnx.save_model(
        onnx.load(os.environ["MODEL"]), folder / "model", pip_requirements=["onnxruntime"]
    )
    os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    words = f"models serve --env-manager local --host 127.0.0.1 --port {os.environ['PORT']}"
    script = str(scripts / "mlflow")
    os.execv(
        script, [script, *words.split(), "--workers", "1", "--model-uri", str(folder / "model")]
    )
