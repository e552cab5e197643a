"""MLServer: /v2/models/audit, JSON."""

import json
import os
import sys
from pathlib import Path

from _classifier import Classifier

if __name__ == "__main__":
    http, grpc, metrics = (int(port) for port in os.environ["PORTS"].split(",")[:3])
    model, folder = Classifier(), Path(os.environ["FOLDER"])
    shape = [-1, *model.shape]
    settings = {
        "host": "127.0.0.1",
        "http_port": http,
        "grpc_port": grpc,
        "metrics_port": metrics,
        "parallel_workers": 0,
        "debug": False,
    }
    described = {
        "name": "audit",
        "implementation": "runtime.OnnxModel",
        "platform": "onnx",
        "inputs": [{"name": model.input.name, "datatype": "FP32", "shape": shape}],
        "outputs": [{"name": model.output.name, "datatype": "FP32", "shape": [-1, -1]}],
        "parameters": {"uri": os.environ["MODEL"], "version": "v1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(described))
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = f"{here}{os.pathsep}{os.environ['PYTHONPATH']}"
    script = str(Path(sys.executable).parent / "mlserver")
    os.execv(script, [script, "start", str(folder)])
