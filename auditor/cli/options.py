"""The command line's options, grouped, so that every command states the same ones once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

ENV = "XRAY_AUDIT_"


def _option(name: str, text: str, panel: str, *, metavar: str | None = None) -> Any:
    variable = ENV + name.removeprefix("--").upper().replace("-", "_")
    return typer.Option(
        name, help=text, rich_help_panel=panel, envvar=variable, metavar=metavar, show_envvar=False
    )


class AccessMode(StrEnum):
    """Access modes, as choices."""

    FLOAT = "float"
    IMAGE = "image"


class SamplerChoice(StrEnum):
    """Samplers, as choices."""

    PAPER = "paper"
    FRUGAL = "frugal"


class ProtocolName(StrEnum):
    """HTTP protocols, as choices."""

    AUTO = "auto"
    V2 = "v2"
    V2_JSON = "v2-json"
    V2_BINARY = "v2-binary"
    V2_GRPC = "v2-grpc"
    HTTP = "http"


class LayoutName(StrEnum):
    """Axis orders, as choices."""

    NCHW = "NCHW"
    NHWC = "NHWC"


_T = "Target: one of --endpoint, --model, --target, --input-file"


@dataclass
class TargetOptions:
    """The model, and the form of its inputs."""

    endpoint: Annotated[
        str | None,
        _option("--endpoint", "URL of a prediction API (http://host/v2/models/NAME).", _T),
    ] = None
    model: Annotated[Path | None, _option("--model", "Model file: .onnx, .pt or .pt2.", _T)] = None
    target: Annotated[
        Path | None,
        _option(
            "--target",
            "Target description (TOML). Default: xray-audit-target.toml, where it lies here.",
            _T,
        ),
    ] = None
    input_file: Annotated[
        Path | None,
        _option(
            "--input-file",
            "Ask by files, without any network: write the inputs that somebody else's batch job "
            "must label to this folder (pictures) or .npz file (arrays), and end with 5.",
            _T,
        ),
    ] = None
    labels_file: Annotated[
        Path | None,
        _option(
            "--labels-file",
            "Labels of the inputs written last: .csv, .json, .jsonl or .npz with id and label.",
            _T,
        ),
    ] = None
    access: Annotated[
        AccessMode | None,
        _option(
            "--access",
            "float: tensors reach the model unclipped. image: clipped and 8 bits, as an upload. "
            "Default: float.",
            _T,
        ),
    ] = None
    range: Annotated[
        str | None,
        _option(
            "--range",
            "Input values of a black and a white pixel. Default: 0,1, and the report says so.",
            _T,
            metavar="LO,HI",
        ),
    ] = None
    mean: Annotated[
        str | None,
        _option("--mean", "Per-channel mean the caller must subtract.", _T, metavar="M[,M,M]"),
    ] = None
    std: Annotated[
        str | None,
        _option("--std", "Per-channel deviation the caller must divide by.", _T, metavar="S[,S,S]"),
    ] = None
    shape: Annotated[
        str | None,
        _option("--shape", "Input shape where the target does not state it.", _T, metavar="C,H,W"),
    ] = None
    layout: Annotated[
        LayoutName | None, _option("--layout", "Axis order where it is not plain.", _T)
    ] = None
    encoding: Annotated[
        str | None,
        _option("--encoding", "How an image travels: png, jpeg:QUALITY, uint8, float32.", _T),
    ] = None
    classes: Annotated[
        Path | None, _option("--classes", "File with the model's class names, one per line.", _T)
    ] = None
    preset: Annotated[
        str | None,
        _option(
            "--preset",
            "Kind of server, where the URL does not tell: xray-audit check finds it.",
            _T,
            metavar="NAME[,NAME]",
        ),
    ] = None
    protocol: Annotated[
        ProtocolName | None, _option("--protocol", "HTTP protocol. Default: auto.", _T)
    ] = None
    device: Annotated[
        str | None,
        _option("--device", "cpu, cuda, cuda:N or tensorrt for model files. Default: cpu.", _T),
    ] = None
    threads: Annotated[int | None, _option("--threads", "CPU threads of a local model.", _T)] = None
    batch: Annotated[int | None, _option("--batch", "Most inputs per request.", _T)] = None
    timeout: Annotated[
        float | None,
        _option("--timeout", "Seconds for one request. Default: 30; for a model file 300.", _T),
    ] = None
    model_memory: Annotated[
        float | None,
        _option(
            "--model-memory",
            "GiB that a model file may take beyond its runtime. Default: 4; no limit on a GPU.",
            _T,
            metavar="GIB",
        ),
    ] = None
    trust_model_file: Annotated[
        bool,
        typer.Option(
            "--trust-model-file",
            help="Run the model file in this process: unchecked, and free to read files and keys.",
            rich_help_panel=_T,
        ),
    ] = False


_S = "Samples"


@dataclass
class SampleOptions:
    """The clean samples."""

    samples: Annotated[
        Path | None,
        _option(
            "--samples",
            "Clean samples: class/name.png folders, an .npz with x and y, or a folder with "
            "labels.csv.",
            _S,
        ),
    ] = None
    resize: Annotated[
        str | None, _option("--resize", "Bring every sample to this size.", _S, metavar="HxW")
    ] = None


_M = "Method (default: the profile's settings, else the tool's own)"


@dataclass
class MethodOptions:
    """Settings of the audit."""

    planes: Annotated[
        int | None, _option("--planes", "N, planes through three samples. Paper: 20.", _M)
    ] = None
    sampler: Annotated[
        SamplerChoice | None,
        _option(
            "--sampler",
            "paper: an S x S grid per plane. frugal: few points on more planes, the same answer "
            "for 1/200 of the queries.",
            _M,
        ),
    ] = None
    density: Annotated[
        int | None,
        _option("--density", "S, points per side of the paper's grid and of pictures.", _M),
    ] = None
    points: Annotated[
        int | None,
        _option("--points", "Points per plane of the frugal sampler, a power of two.", _M),
    ] = None
    pictures: Annotated[
        int | None,
        _option(
            "--pictures",
            "Planes the frugal sampler also draws, at most a quarter of S x S queries each.",
            _M,
        ),
    ] = None
    expansion: Annotated[
        float | None, _option("--expansion", "η, margin per side in box lengths. Paper: 5.", _M)
    ] = None
    alpha: Annotated[
        float | None, _option("--alpha", "Order of the Rényi entropy. Paper: 10.", _M)
    ] = None
    ats_threshold: Annotated[
        float | None,
        _option("--ats-threshold", "t, share from which a region counts 0. Paper: 0.5.", _M),
    ] = None
    canaries: Annotated[
        int | None,
        _option(
            "--canaries",
            "Inputs asked a second time, to notice a changing model. Default: 150.",
            _M,
        ),
    ] = None
    trigger_search: Annotated[
        bool | None,
        typer.Option(
            "--trigger-search/--no-trigger-search",
            help="Search for a universal trigger. Default: yes.",
            rich_help_panel=_M,
            envvar=ENV + "TRIGGER_SEARCH",
            show_envvar=False,
        ),
    ] = None
    per_source: Annotated[
        bool | None,
        typer.Option(
            "--per-source/--no-per-source",
            help="Search each source class by itself too: some 10,000 queries more, best with 60 "
            "samples of every class. Default: no.",
            rich_help_panel=_M,
            envvar=ENV + "PER_SOURCE",
            show_envvar=False,
        ),
    ] = None
    families: Annotated[
        bool | None,
        typer.Option(
            "--families/--no-families",
            help="Ask up to 1,000 disturbed samples, beside the profile's clean references. "
            "Default: where the profile can use them.",
            rich_help_panel=_M,
            envvar=ENV + "FAMILIES",
            show_envvar=False,
        ),
    ] = None
    stop_early: Annotated[
        bool | None,
        typer.Option(
            "--stop-early/--ask-all",
            help="Leave out what cannot change the verdict any more, or ask everything planned. "
            "Default: leave it out.",
            rich_help_panel=_M,
            envvar=ENV + "STOP_EARLY",
            show_envvar=False,
        ),
    ] = None
    seed: Annotated[int | None, _option("--seed", "Seeds every random choice. Default: 0.", _M)] = (
        None
    )


_L = "Spending and pace"


@dataclass
class LimitOptions:
    """Limits on spending and pace."""

    max_queries: Annotated[
        int | None,
        _option("--max-queries", "Hard cap on inputs sent, over all runs of the audit.", _L),
    ] = None
    rate: Annotated[float | None, _option("--rate", "Most queries per second.", _L)] = None
    request_rate: Annotated[
        float | None, _option("--request-rate", "Most requests per second.", _L)
    ] = None
    concurrency: Annotated[
        int | None,
        _option("--concurrency", "Most requests in flight. Default: 8, for files 2.", _L),
    ] = None


_O = "Result"


@dataclass
class OutputOptions:
    """Place and form of the result."""

    profile: Annotated[
        str | None,
        _option("--profile", "Reference profile to judge by: a shipped name or a file.", _O),
    ] = None
    output: Annotated[
        Path, _option("--output", "Folder for labels, plan and reports; a rerun continues.", _O)
    ] = Path("xray-audit-report")
    json_output: Annotated[
        bool,
        typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=_O),
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress on stderr.", rich_help_panel=_O)
    ] = False


_V = "Views of the result"


@dataclass
class ViewOptions:
    """Views of the one result."""

    format: Annotated[
        list[str] | None,
        _option(
            "--format",
            "View: html, markdown, sarif, junit, cyclonedx, pdf (an extra) or json. Repeat it, or "
            "separate several by commas. Default: html; report.json is always kept.",
            _V,
            metavar="NAME",
        ),
    ] = None
    framework: Annotated[
        list[str] | None,
        _option(
            "--framework",
            "Framework whose clauses the views map: eu-ai-act, nist-ai-rmf, mitre-atlas, owasp-ml "
            "or iso-42001. Repeat it. Default: all.",
            _V,
            metavar="NAME",
        ),
    ] = None


MANY = ("format", "framework")
"""Options that may be given several times; a settings file lists their values."""

GROUPS = (TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions, ViewOptions)
