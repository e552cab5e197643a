"""Ways to ask the real servers, shared by the tests and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.target import Target, read_target
from tests.servers._park import Running

INPUT = {"range": (0.0, 1.0), "shape": (1, 28, 28), "layout": "NCHW"}


@dataclass(frozen=True)
class Way:
    """One way to ask one server.

    Attributes:
        server: its name.
        path: of the URL.
        table: the rest of the target description.
        lossy: whether other bytes than those of the local run reach the model.
    """

    server: str
    path: str
    table: dict[str, Any]
    lossy: bool = False

    @property
    def name(self) -> str:
        """Server, preset, body, access and encoding."""
        asked = self.table.get("protocol") or self.table.get("preset") or "http"
        more = self.table.get("input", {}).get("encoding", "")
        how = self.table.get("request", {})
        body = how.get("value") or how.get("body") or ""
        access = described(Running(self.server, "http://127.0.0.1", ()), self).access
        return "-".join(str(part) for part in (self.server, asked, body, access, more) if part)


V2, V1 = "/v2/models/audit", "/v1/models/audit:predict"
LABEL = {"path": "prediction.class", "kind": "label"}
JSON_NUMBERS = {
    "request": {"template": '{"instances": ["$INPUT"]}'},
    "batch": {"max": 1},
    "response": {"kind": "label-score-dict"},
}
IMAGE = {"access": "image"}


def both(server: str, path: str, **table: Any) -> list[Way]:
    """In float access and in image access: an array carries both."""
    pixels = {
        **table,
        "access": "image",
        "input": {**table.get("input", {}), "encoding": "float32"},
    }
    return [Way(server, path, table), Way(server, path, pixels)]


WAYS = [
    *both("mlserver", V2, preset="v2"),
    *both("kserve", V2, preset="v2-json"),
    *both("kserve", V2, preset="v2-binary"),
    *both("kserve", V1, preset="instances"),
    *both("torchserve", "/predictions/audit", **JSON_NUMBERS),
    Way("torchserve", "/predictions/audit", {"preset": "torchserve"}),
    *both("bentoml", "/classify", preset="bentoml"),
    Way("bentoml", "/classify_image", {"preset": "bentoml-image"}),
    *both("litserve", "/predict", preset="litserve", batch={"max": 1}),
    Way("litserve", "/predict", {"preset": "litserve-image"}),
    *both("mlflow", "/invocations", preset="mlflow"),
    Way("gradio", "/gradio_api/run/predict", {"preset": "gradio"}),
    Way("mosec", "/inference", {"preset": "mosec"}),
    *both("fastapi", "/scores", preset="http", response={"path": "outputs", "kind": "scores"}),
    Way(
        "fastapi",
        "/upload",
        {**IMAGE, "request": {"body": "multipart", "field": "image"}, "response": LABEL},
    ),
    Way("fastapi", "/raw", {**IMAGE, "request": {"body": "raw"}, "response": LABEL}),
    *(
        Way(
            "fastapi",
            f"/{value}",
            {
                **IMAGE,
                "request": {"template": '{"image": "$INPUT"}', "value": value},
                "response": LABEL,
            },
        )
        for value in ("base64", "data-uri")
    ),
    Way(
        "fastapi",
        "/raw",
        {
            **IMAGE,
            "request": {"body": "raw"},
            "response": LABEL,
            "input": {"encoding": "jpeg:60"},
        },
        lossy=True,
    ),
]


def described(running: Running, way: Way) -> Target:
    """The target description of ``way`` at a running server."""
    stated = {**INPUT, **way.table.get("input", {})}
    if "v2" in str(way.table.get("preset")):
        stated.pop("shape")  # the metadata says it
        stated.pop("layout")
    table = {"preset": "http", **way.table, "url": running.address + way.path, "input": stated}
    return read_target(table)
