"""TorchServe (Java and a Python worker): POST /predictions/audit. Needs Java 11 or later."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFIG = """inference_address=http://127.0.0.1:{0}
management_address=http://127.0.0.1:{1}
metrics_address=http://127.0.0.1:{2}
grpc_inference_address=127.0.0.1
grpc_management_address=127.0.0.1
grpc_inference_port={3}
grpc_management_port={4}
default_workers_per_model=1
number_of_netty_threads=2
disable_token_authorization=true
"""

if __name__ == "__main__":
    folder, scripts = Path(os.environ["FOLDER"]), Path(sys.executable).parent
    (folder / "store").mkdir()
    shutil.copy(os.environ["MODEL"], folder / "model.onnx")
    shutil.copy(Path(__file__).with_name("handler.py"), folder / "handler.py")
    words = "--model-name audit --version 1.0 --handler handler.py --extra-files model.onnx"
    subprocess.run(
        [scripts / "torch-model-archiver", *words.split(), "--export-path", "store", "--force"],
        check=True,
        cwd=folder,
    )
    (folder / "config.properties").write_text(CONFIG.format(*os.environ["PORTS"].split(",")))
    os.environ.update(
        LOG_LOCATION=str(folder),
        METRICS_LOCATION=str(folder),
        TS_CONFIG_FILE=str(folder / "config.properties"),
        PATH=f"{scripts}{os.pathsep}{os.environ['PATH']}",
    )
    os.chdir(folder)
    start = "--start --foreground --ncs --model-store store --models audit=audit.mar"
    script = str(scripts / "torchserve")
    os.execv(script, [script, *start.split(), "--ts-config", "config.properties"])
