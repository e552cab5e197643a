"""The command line's options, grouped, so that every command states the same ones once."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from auditor.cli.complete import completions
from auditor.cli.option_fields import (
    ALL,
    AUDITED,
    EXPERT,
    HARD,
    JUDGED,
    LIMITED,
    SAMPLED,
    SHOWN,
)
from auditor.cli.option_fields import option as _option

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


@dataclass
class TargetOptions:
    """The model, and the form of its inputs."""

    PANEL: ClassVar = AUDITED

    endpoint: str | None = _option(
        "Prediction API, such as http://host/v2/models/NAME. Name this, --model or --target.",
        metavar="URL",
    )
    model: Path | None = _option(
        "Model: a file (.onnx, .pt, .pt2, .keras, .h5, .tflite), hf:ORG/NAME, timm:NAME, or a "
        "folder of a hub or of MLflow.",
        metavar="FILE",
    )
    target: Path | None = _option(
        "Target description (TOML). Default: xray-audit-target.toml, if it lies here.",
        metavar="FILE",
    )
    range: str | None = _option(
        "Input values of a black and a white pixel. Default: 0,1, and the report says so.",
        metavar="LO,HI",
    )
    access: Literal["float", "image"] | None = _option(
        "float: tensors reach the model unclipped. image: clipped and 8 bits, as an upload. "
        "Default: float."
    )
    mean: str | None = _option(
        "Mean of each channel that the caller must subtract. Default: none.", metavar="M[,M,M]"
    )
    std: str | None = _option(
        "Deviation of each channel that the caller must divide by. Default: none.",
        metavar="S[,S,S]",
    )
    shape: str | None = _option("Input shape. Default: target's or samples'.", metavar="C,H,W")
    layout: Literal["NCHW", "NHWC"] | None = _option("Axis order. Default: what the shape tells.")
    encoding: str | None = _option(
        "How an image travels: png, jpeg:QUALITY[/444], uint8, float32. Default: the target's.",
        metavar="NAME",
    )
    recoded: str | None = _option(
        "jpeg:QUALITY[/444] if the service makes JPEG of pictures. Default: none.", metavar="NAME"
    )
    output_name: str | None = _option(
        "Output of a model file or V2 endpoint with the label. Default: the only.", metavar="NAME"
    )
    threshold: float | None = _option("Least number of the second of two classes. Default: none.")
    input_constant: str | None = _option(
        "Values of further inputs of a model file. Default: none.", metavar="NAME=VALUE[,...]"
    )
    classes: Path | None = _option(
        "The model's class names, one per line. Default: the target's.", metavar="FILE"
    )
    preset: str | None = _option(
        "Kind of server; xray-audit check finds it. Default: what the URL tells.",
        metavar="NAME[,NAME]",
    )
    protocol: Literal["auto", "v2", "v2-json", "v2-binary", "v2-grpc", "http"] | None = _option(
        "HTTP protocol: auto, v2, v2-json, v2-binary, v2-grpc or http. Default: auto.",
        metavar="NAME",
    )
    input_file: Path | None = _option(
        "Ask by files, without any network: write the inputs that another party's batch job must "
        "label to this folder (pictures) or .npz file (arrays), and end with 5. Default: none.",
        metavar="PATH",
    )
    labels_file: Path | None = _option(
        "Labels of the inputs written last: .csv, .json, .jsonl or .npz with id and label. "
        "Default: none.",
        metavar="FILE",
    )
    proxy: str | None = _option(
        "env: obey HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Or the proxy's URL. Default: no proxy.",
        metavar="env|URL",
    )
    device: str | None = _option(
        "cpu, cuda, cuda:N or tensorrt for model files. Default: cpu.", metavar="NAME"
    )
    threads: int | None = _option(
        "CPU threads of a model file. Default: as its runtime chooses.", metavar="N", panel=EXPERT
    )
    batch: int | None = _option(
        "Most inputs per request. Default: as the target states it.", metavar="N", panel=LIMITED
    )
    timeout: float | None = _option(
        "Longest time of one request. Default: 30 s; for a model file 300 s.",
        metavar="SECONDS",
        panel=LIMITED,
    )
    patience: str | None = _option(
        'Longest time without an answer while the target is down or says "wait": seconds, or 5m, '
        "2h. A longer pause that it asks for ends the run with 5 and the time. Default: 5m.",
        metavar="TIME",
        panel=LIMITED,
    )
    model_memory: float | None = _option(
        "Memory of a model file beyond its runtime. Default: 4 GiB; no limit on a GPU.",
        metavar="GIB",
        panel=LIMITED,
    )
    trust_model_file: bool = _option(
        "Run the model file in this process: unchecked, and free to read files and keys. "
        "Default: no.",
        default=False,
        flags="--trust-model-file",
        env=False,
        panel=EXPERT,
    )


@dataclass
class SampleOptions:
    """The clean samples."""

    PANEL: ClassVar = SAMPLED

    samples: Path | None = _option(
        "Clean samples, 40 to 120 of all classes: folders class/name.png, an .npz with x and y, "
        "or a folder with labels.csv. Needed.",
        metavar="PATH",
    )
    resize: str | None = _option(
        "Bring every sample to this size in pixels. Default: as they are.", metavar="HxW"
    )
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
    """Settings of the audit; a profile's settings come before the defaults stated here."""

    PANEL: ClassVar = EXPERT

    effort: Literal["quick", "standard", "thorough", "exhaustive"] | None = _option(
        "Queries that the search may spend if it finds nothing: quick 2,500, standard 8,000, "
        "thorough 30,000 to 50,000, exhaustive 90,000 to 110,000; on pictures of up to 40 pixels "
        "6,000, thorough 40,000 to 60,000, exhaustive 90,000 to 110,000. Default: standard.",
        metavar="NAME",
        panel=HARD,
    )
    trigger_search: bool | None = _option("Search for a trigger. Default: yes.", panel=HARD)
    per_source: bool | None = _option(
        "Search each source class by itself too, at any effort: some 20,000 queries more, with "
        "20 samples or more of 3 classes. Default: no, but from thorough on where it decides.",
        panel=HARD,
    )
    families: bool | None = _option(
        "Ask up to 1,000 disturbed samples, beside the profile's clean references. "
        "Default: if the profile can use them.",
        panel=HARD,
    )
    stop_early: bool | None = _option(
        "Leave out what cannot change the verdict any more, or ask everything planned. "
        "Default: leave it out.",
        flags="--stop-early/--ask-all",
        panel=HARD,
    )
    planes: int | None = _option(
        "N, planes through three samples. Default: 44; the paper's 20.", metavar="N"
    )
    sampler: Literal["paper", "frugal"] | None = _option(
        "paper: an S x S grid per plane. frugal: few points on more planes, the same answer "
        "for 1/200 of the queries. Default: frugal."
    )
    density: int | None = _option(
        "S, points per side of the paper's grid and of pictures. Default: 100.", metavar="S"
    )
    points: int | None = _option(
        "Points per plane of the frugal sampler, a power of two. Default: 16.", metavar="N"
    )
    pictures: int | None = _option(
        "Planes the frugal sampler also draws, at most a quarter of S x S queries each. "
        "Default: 0.",
        metavar="N",
    )
    expansion: float | None = _option(
        "η, margin per side in box lengths. Default: 5, the paper's.", metavar="ETA"
    )
    alpha: float | None = _option(
        "Order of the Rényi entropy. Default: 10, the paper's.", metavar="ALPHA"
    )
    ats_threshold: float | None = _option(
        "t, share from which a region counts 0. Default: 0.5, the paper's.", metavar="T"
    )
    canaries: int | None = _option(
        "Inputs asked a second time, to notice a changing model. Default: 150.", metavar="N"
    )
    seed: int | None = _option("Seeds every random choice. Default: 0.", metavar="N")


@dataclass
class LimitOptions:
    """Limits on spending and pace."""

    PANEL: ClassVar = LIMITED

    max_queries: int | None = _option(
        "Hard cap on inputs sent, over all runs of the audit. Default: none.", metavar="N"
    )
    rate: float | None = _option(
        "Most queries per second. Default: as many as the target takes.", metavar="N"
    )
    request_rate: float | None = _option(
        "Most requests per second. Default: as many as the target takes.", metavar="N"
    )
    price_per_1000: float | None = _option(
        "Price of 1,000 queries, in your currency; plan and progress count with it. Default: none.",
        metavar="PRICE",
    )
    concurrency: int | None = _option(
        "Most requests in flight. Default: 8, for files 2.", metavar="N"
    )


@dataclass
class OutputOptions:
    """Place and form of the result."""

    PANEL: ClassVar = SHOWN

    profile: str | None = _option(
        "Clean references to judge by: a shipped name or a file. Default: none.",
        metavar="NAME|FILE",
        panel=JUDGED,
    )
    output: Path = _option(
        "Folder for labels, plan and reports; a rerun continues. Default: xray-audit-report.",
        Path("xray-audit-report"),
        metavar="FOLDER",
    )
    json_output: bool = _option(
        "Print the result as one JSON object. Default: no.",
        default=False,
        flags="--json",
        env=False,
    )
    progress: Literal["auto", "lines", "json"] = _option(
        "Form of the progress on standard error: auto is a live display on a terminal and a line "
        "every 30 s elsewhere; json is a line of JSON for each event. Default: auto.",
        default="auto",
        metavar="NAME",
    )
    quiet: bool = _option(
        "No progress on standard error. Default: no.",
        default=False,
        flags="--quiet,-q",
        env=False,
    )


@dataclass
class ViewOptions:
    """Views of the one result."""

    PANEL: ClassVar = SHOWN

    format: list[str] | None = _option(
        "View: html, summary (one page), markdown, sarif, junit, cyclonedx, pdf (an extra), json. "
        "Separate several by commas. Default: html; report.json is always kept.",
        metavar="NAME",
    )
    framework: list[str] | None = _option(
        "Framework whose clauses the views map: eu-ai-act, nist-ai-rmf, mitre-atlas, owasp-ml "
        "or iso-42001. Repeat it. Default: none, and all in cyclonedx.",
        metavar="NAME",
    )
    frameworks: bool = _option(
        "Map all frameworks. Default: none.", default=False, flags="--frameworks"
    )

    @property
    def mapped(self) -> list[str]:
        """Names of the frameworks to be mapped."""
        return ["all"] if self.frameworks else self.framework or []


GROUPS = (TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions, ViewOptions)


@functools.cache
def _types(group: type) -> dict[str, Any]:
    """Types of a group's fields; reading them takes longer than the whole rest of ``--help``."""
    return typing.get_type_hints(group)


def option_types() -> dict[str, Any]:
    """Type of every option of the groups, by name."""
    return {one.name: _types(group)[one.name] for group in GROUPS for one in fields(group)}


def option_names() -> set[str]:
    """Names of the options of the groups."""
    return {one.name for group in GROUPS for one in fields(group)}


def grouped(command: Callable[..., Any]) -> Callable[..., None]:
    """Give a command the options of the groups among its parameters; it gets one object of each.

    Its other parameters (the context, an argument) stay as they are, and come first in the help.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    stated = inspect.signature(command).parameters.values()
    groups = {p.name: hints[p.name] for p in stated if is_dataclass(hints[p.name])}

    def wrapper(**values: Any) -> None:
        values.pop("help_all")
        for name, group in groups.items():
            values[name] = group(**{one.name: values.pop(one.name) for one in fields(group)})
        command(**values)

    own = [p for p in stated if p.name not in groups]
    parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
    parameters.append(_help_all())
    parameters += [_parameter(group, one) for group in groups.values() for one in fields(group)]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have it
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


def _help_all() -> inspect.Parameter:
    """The option that prints every option."""
    text = "Show every option and exit."
    option = typer.Option("--help-all", callback=show_all, is_eager=True, help=text)
    kind, hint = inspect.Parameter.KEYWORD_ONLY, Annotated[bool, option]
    return inspect.Parameter("help_all", kind, default=False, annotation=hint)


def show_all(context: typer.Context, asked: bool) -> None:  # noqa: FBT001 - the shape callbacks have
    """Print the help with every option, and end."""
    if asked and not context.resilient_parsing:
        context.meta[ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


def _parameter(group: Any, one: Field[Any]) -> inspect.Parameter:
    """The option of one field of ``group``, as typer reads it."""
    text, flags, metavar, env, panel = one.metadata["of"]
    option = typer.Option(
        *(flags.split(",") if flags else ()),
        help=text,
        rich_help_panel=panel or group.PANEL,
        envvar=ENV + one.name.upper() if env else None,
        metavar=metavar,
        show_envvar=False,
        show_default=False,
        autocompletion=completions(one.name),
    )
    hint: Any = Annotated[_types(group)[one.name], option]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(one.name, kind, default=one.default, annotation=hint)
