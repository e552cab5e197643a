"""``xray-audit plan``: the price of an audit, without sending it."""

from __future__ import annotations

import dataclasses

from auditor.cli import options
from auditor.cli.output import finish, show
from auditor.cli.request import build_request, spending


@options.grouped
def plan(
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
) -> None:
    """Price an audit without sending it: queries, requests, bytes, time, money."""
    from auditor.report.console import show_price
    from auditor.workflows.price import price_request

    request = build_request(target, samples, method, limits, output)
    price = finish(price_request(request, spending(limits), limits.price_per_1000))
    priced = dataclasses.asdict(price)
    show(output, priced, show_price(priced))
