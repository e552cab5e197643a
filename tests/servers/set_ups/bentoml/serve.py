"""BentoML: /classify with {"x": [...]}, /classify_image with a picture in the field "image"."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    os.environ["BENTOML_HOME"] = os.environ["FOLDER"]
    os.chdir(Path(__file__).parent)
    script = str(Path(sys.executable).parent / "bentoml")
    words = ["serve", "service:Audit", "--host", "127.0.0.1", "--port", os.environ["PORT"]]
    os.execv(script, [script, *words])
