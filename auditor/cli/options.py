"""The command line's options, grouped, so that every command states the same ones once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

# ruff: noqa: RUF009 - _option makes a dataclass field, once for each class
ENV = "XRAY_AUDIT_"

Bundle = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="Folder that an audit wrote, or a .zip.")
]
AcceptedFile = Annotated[
    Path | None,
    typer.Option("--accepted", help="TOML file of accepted findings: id, reason, owner, until."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _option(
    text: str, default: Any = None, *, flags: str = "", metavar: str | None = None, env: bool = True
) -> Any:
    """A field of a group: an option named after it, and unless ``env`` is false a variable too."""
    return field(default=default, metadata={"of": (text, flags, metavar, env)})


@dataclass
class TargetOptions:
    """The model, and the form of its inputs."""

    PANEL: ClassVar = "Target: one of --endpoint, --model, --target, --input-file"

    endpoint: str | None = _option("URL of a prediction API (http://host/v2/models/NAME).")
    model: Path | None = _option(
        "Model: a file (.onnx, .pt, .pt2, .keras, .h5, .tflite), hf:ORG/NAME, timm:NAME, or a "
        "folder of a hub or of MLflow."
    )
    target: Path | None = _option(
        "Target description (TOML). Default: xray-audit-target.toml, where it lies here."
    )
    input_file: Path | None = _option(
        "Ask by files, without any network: write the inputs that somebody else's batch job "
        "must label to this folder (pictures) or .npz file (arrays), and end with 5."
    )
    labels_file: Path | None = _option(
        "Labels of the inputs written last: .csv, .json, .jsonl or .npz with id and label."
    )
    access: Literal["float", "image"] | None = _option(
        "float: tensors reach the model unclipped. image: clipped and 8 bits, as an upload. "
        "Default: float."
    )
    range: str | None = _option(
        "Input values of a black and a white pixel. Default: 0,1, and the report says so.",
        metavar="LO,HI",
    )
    mean: str | None = _option("Per-channel mean the caller must subtract.", metavar="M[,M,M]")
    std: str | None = _option("Per-channel deviation the caller must divide by.", metavar="S[,S,S]")
    shape: str | None = _option("Input shape where the target does not state it.", metavar="C,H,W")
    layout: Literal["NCHW", "NHWC"] | None = _option("Axis order where it is not plain.")
    encoding: str | None = _option("How an image travels: png, jpeg:QUALITY, uint8, float32.")
    output_name: str | None = _option(
        "Output of a model file or of a V2 endpoint that carries the label, if it has several."
    )
    input_constant: str | None = _option(
        "NAME=VALUE of further inputs of a model file, separated by commas."
    )
    classes: Path | None = _option("File with the model's class names, one per line.")
    preset: str | None = _option(
        "Kind of server, where the URL does not tell: xray-audit check finds it.",
        metavar="NAME[,NAME]",
    )
    protocol: Literal["auto", "v2", "v2-json", "v2-binary", "v2-grpc", "http"] | None = _option(
        "HTTP protocol. Default: auto."
    )
    proxy: str | None = _option(
        "env: obey HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Or the proxy's URL. Default: no proxy.",
        metavar="env|URL",
    )
    device: str | None = _option("cpu, cuda, cuda:N or tensorrt for model files. Default: cpu.")
    threads: int | None = _option("CPU threads of a local model.")
    batch: int | None = _option("Most inputs per request.")
    timeout: float | None = _option("Seconds for one request. Default: 30; for a model file 300.")
    patience: str | None = _option(
        'Longest time without an answer while the target is down or says "wait": seconds, or 5m, '
        "2h. A longer pause that it asks for ends the run with 5 and the time. Default: 5m.",
        metavar="TIME",
    )
    model_memory: float | None = _option(
        "GiB that a model file may take beyond its runtime. Default: 4; no limit on a GPU.",
        metavar="GIB",
    )
    trust_model_file: bool = _option(
        "Run the model file in this process: unchecked, and free to read files and keys.",
        default=False,
        flags="--trust-model-file",
        env=False,
    )


@dataclass
class SampleOptions:
    """The clean samples."""

    PANEL: ClassVar = "Samples"

    samples: Path | None = _option(
        "Clean samples: class/name.png folders, an .npz with x and y, or a folder with labels.csv."
    )
    resize: str | None = _option("Bring every sample to this size.", metavar="HxW")
    fit: Literal["squash", "crop", "pad"] | None = _option(
        "Way to that size: squash both sides, crop what is over, or pad. Default: the "
        "description's, else squash; check measures which gives more right labels."
    )
    background: str | None = _option(
        "Colour beneath transparent samples and around padded ones. Default: white.",
        metavar="COLOUR",
    )


@dataclass
class MethodOptions:
    """Settings of the audit."""

    PANEL: ClassVar = "Method (default: the profile's settings, else the tool's own)"

    effort: Literal["quick", "standard", "thorough", "exhaustive"] | None = _option(
        "Queries the trigger search may spend where it finds nothing, on pictures over 40 pixels: "
        "quick 2,500, standard 8,000, thorough 30,000, exhaustive 120,000. Default: standard."
    )
    planes: int | None = _option("N, planes through three samples. Paper: 20.")
    sampler: Literal["paper", "frugal"] | None = _option(
        "paper: an S x S grid per plane. frugal: few points on more planes, the same answer "
        "for 1/200 of the queries."
    )
    density: int | None = _option("S, points per side of the paper's grid and of pictures.")
    points: int | None = _option("Points per plane of the frugal sampler, a power of two.")
    pictures: int | None = _option(
        "Planes the frugal sampler also draws, at most a quarter of S x S queries each."
    )
    expansion: float | None = _option("η, margin per side in box lengths. Paper: 5.")
    alpha: float | None = _option("Order of the Rényi entropy. Paper: 10.")
    ats_threshold: float | None = _option("t, share from which a region counts 0. Paper: 0.5.")
    canaries: int | None = _option(
        "Inputs asked a second time, to notice a changing model. Default: 150."
    )
    trigger_search: bool | None = _option("Search for a universal trigger. Default: yes.")
    per_source: bool | None = _option(
        "Search each source class by itself too: some 10,000 queries more, best with 60 "
        "samples of every class. Default: no."
    )
    families: bool | None = _option(
        "Ask up to 1,000 disturbed samples, beside the profile's clean references. "
        "Default: where the profile can use them."
    )
    stop_early: bool | None = _option(
        "Leave out what cannot change the verdict any more, or ask everything planned. "
        "Default: leave it out.",
        flags="--stop-early/--ask-all",
    )
    seed: int | None = _option("Seeds every random choice. Default: 0.")


@dataclass
class LimitOptions:
    """Limits on spending and pace."""

    PANEL: ClassVar = "Spending and pace"

    max_queries: int | None = _option("Hard cap on inputs sent, over all runs of the audit.")
    rate: float | None = _option("Most queries per second.")
    request_rate: float | None = _option("Most requests per second.")
    concurrency: int | None = _option("Most requests in flight. Default: 8, for files 2.")


@dataclass
class OutputOptions:
    """Place and form of the result."""

    PANEL: ClassVar = "Result"

    profile: str | None = _option("Reference profile to judge by: a shipped name or a file.")
    output: Path = _option(
        "Folder for labels, plan and reports; a rerun continues.", Path("xray-audit-report")
    )
    json_output: bool = _option(
        "Print the result as one JSON object.", default=False, flags="--json", env=False
    )
    quiet: bool = _option("No progress on stderr.", default=False, flags="--quiet,-q", env=False)


@dataclass
class ViewOptions:
    """Views of the one result."""

    PANEL: ClassVar = "Views of the result"

    format: list[str] | None = _option(
        "View: html, markdown, sarif, junit, cyclonedx, pdf (an extra) or json. Repeat it, or "
        "separate several by commas. Default: html; report.json is always kept.",
        metavar="NAME",
    )
    framework: list[str] | None = _option(
        "Framework whose clauses the views map: eu-ai-act, nist-ai-rmf, mitre-atlas, owasp-ml "
        "or iso-42001. Repeat it. Default: all.",
        metavar="NAME",
    )


GROUPS = (TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions, ViewOptions)


def option_types() -> dict[str, Any]:
    """Type of every option of the groups, by name."""
    return {
        one.name: typing.get_type_hints(group)[one.name]
        for group in GROUPS
        for one in fields(group)
    }


def grouped(command: Callable[..., Any]) -> Callable[..., None]:
    """Give a command the options of the groups among its parameters; it gets one object of each.

    Its other parameters (the context, an argument) stay as they are, and come first in the help.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    stated = inspect.signature(command).parameters.values()
    groups = {p.name: hints[p.name] for p in stated if is_dataclass(hints[p.name])}

    def wrapper(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{one.name: values.pop(one.name) for one in fields(group)})
        command(**values)

    own = [p for p in stated if p.name not in groups]
    parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
    parameters += [_parameter(group, one) for group in groups.values() for one in fields(group)]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have it
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


def _parameter(group: Any, one: Field[Any]) -> inspect.Parameter:
    """The option of one field of ``group``, as typer reads it."""
    text, flags, metavar, env = one.metadata["of"]
    option = typer.Option(
        *(flags.split(",") if flags else ()),
        help=text,
        rich_help_panel=group.PANEL,
        envvar=ENV + one.name.upper() if env else None,
        metavar=metavar,
        show_envvar=False,
    )
    hint: Any = Annotated[typing.get_type_hints(group)[one.name], option]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(one.name, kind, default=one.default, annotation=hint)
