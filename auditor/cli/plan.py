"""``xray-audit plan``: the price of an audit, without sending it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated

import typer

from auditor.cli.options import (
    LimitOptions,
    MethodOptions,
    OutputOptions,
    SampleOptions,
    TargetOptions,
)
from auditor.cli.output import show
from auditor.cli.request import build_request, spending
from auditor.cli.takes import takes


@takes(TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions)
def plan(
    target: TargetOptions,
    samples: SampleOptions,
    method: MethodOptions,
    limits: LimitOptions,
    output: OutputOptions,
    price_per_1000: Annotated[
        float | None, typer.Option(help="Price of 1,000 queries, in your currency.")
    ] = None,
) -> None:
    """Price an audit without sending it: queries, requests, bytes, time, money."""
    from auditor.report.console import show_price
    from auditor.workflows.price import price_request

    request = build_request(target, samples, method, limits, output)
    price = asyncio.run(price_request(request, spending(limits), price_per_1000))
    priced = dataclasses.asdict(price)
    show(output, priced, show_price(priced))
