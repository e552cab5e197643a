"""Descriptions that read, and changes that spoil one."""

from __future__ import annotations

from typing import Any

LEAST: dict[str, Any] = {"url": "http://host.invalid/x"}
FULL = """
[target]
name = "Skin classifier"
preset = "hf"
url = "http://host.invalid/x"
access = "image"
[target.headers]
X-Tenant = "me"
X-Number = 5
[target.auth]
type = "header"
header = "X-Key"
prefix = "Key "
secret_file = "~/key"
[target.tls]
ca = "ca.pem"
[target.input]
shape = [3, 32, 32]
layout = "NHWC"
color = "bgr"
encoding = "jpeg:90"
recoded = "jpeg:75/444"
range = [0, 255]
mean = [0.5]
std = [0.2, 0.2, 0.2]
upload_size = [224, 224]
resample = "nearest"
[target.request]
body = "json"
value = "base64"
template = '{"image": "$INPUT"}'
[target.batch]
max = 3
[target.response]
path = "outputs.0"
classes = ["cat", "dog"]
no_label = "nothing"
min_score = 0.5
rename = {LABEL_0 = "cat"}
[target.limits]
timeout = 9
concurrency = 2
rate = 10
request_rate = 5.5
max_queries = 1000
max_reply_bytes = 4096
[target.retry]
throttle = [429, 529]
statuses = [404]
final = [500]
max = 3
respect_retry_after = false
on_reset = "stop"
[target.poll]
pending = ["starting"]
url_path = "urls.get"
interval = 0.25
[target.preflight]
min_accuracy = 0.75
determinism_repeats = 5
"""

BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "name is 5, it must be a text"),
    ({"acces": "float"}, "no field 'acces'; did you mean 'access'"),
    ({"zzz": "float"}, "the target description has no field 'zzz'; it has access, auth, batch"),
    ({"access": "both"}, "access is 'both', it must be one of float, image"),
    ({"access": ["float"]}, "access is"),
    ({"input": {"range": 5}}, "input.range is 5, it must be a list"),
    ({"input": {"range": [0.0]}}, "input.range is .*, it must hold 2 values"),
    ({"input": {"range": [0, 1, 2]}}, "it must hold 2 values"),
    ({"input": {"range": ["a", "b"]}}, "input.range is 'a', it must be a number"),
    ({"input": {"shape": [3, 32]}}, "input.shape is .*, it must hold 3 values"),
    ({"input": {"shape": [3, 32, 1.5]}}, "input.shape is 1.5, it must be a whole number"),
    ({"input": {"shape": [3, 0, 32]}}, "input.shape is 0, it must be at least 1"),
    ({"batch": {"max": True}}, "batch.max is True, it must be a whole number"),
    ({"batch": {"max": 0}}, "batch.max is 0, it must be at least 1"),
    ({"batch": 5}, "batch is 5, it must be a table"),
    ({"threads": -2}, "threads is -2, it must be at least 1"),
    ({"limits": {"tiemout": 5}}, r"\[limits\] has no field 'tiemout'; did you mean 'timeout'"),
    ({"limits": {"timeout": "9"}}, "limits.timeout is '9', it must be a number"),
    ({"private_network": "yes"}, "private_network is 'yes', it must be true or false"),
    ({"poll": {"statuses": 202}}, "poll.statuses is 202, it must be a list"),
    ({"poll": {"interval": -1}}, "poll.interval is -1, it must be above 0"),
    ({"response": {"rename": {"a": {}}}}, "response.rename.a is {}, it must be a text"),
    ({"input": {"shape": [3]}}, r"input.shape is \[3\], it must hold 3 values"),
    ({"limits": {"timeout": 0}}, "limits.timeout is 0, it must be above 0"),
    ({"limits": {"max_reply_bytes": 0}}, "limits.max_reply_bytes is 0"),
    ({"limits": {"concurrency": 5000}}, "at least 1 and at most 1000"),
    ({"headers": ["a"]}, "headers is .*, it must be a table"),
    ({"headers": {"X-A": ["a"]}}, "headers.X-A is .*, it must be a text"),
    ({"request": "raw"}, "request is 'raw', it must be a table"),
    ({"request": {"body": "xml"}}, "request.body is 'xml', it must be one of"),
    ({"request": {"body": "rw"}}, "json, multipart, form, raw; did you mean 'raw'"),
    ({"response": {"kind": []}}, "response.kind is"),
    ({"retry": {"throttle": [42]}}, "retry.throttle is 42, it must be at least 100"),
    ({"preflight": {"min_accuracy": 1.5}}, "preflight.min_accuracy is 1.5"),
]
