"""The exchange that came nearest to a label where no format gave one, for a user to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from adapters import strict_json
from adapters.discovery.reply_guess import guesses
from adapters.errors import BadReply
from adapters.http.client.exchange import Exchange
from adapters.quoting import hidden, shown_value
from adapters.secrets import without_secrets
from adapters.target import over, target_text

_MOST_VALUES, _MOST_DEPTH = 12, 6
_UNFINISHED = (
    "UNFINISHED: no label was read from the reply. State in [response] where it stands (path) and "
    "of what kind it is; adapters/target/target.schema.json describes every field."
)


@dataclass(frozen=True, slots=True)
class Miss:
    """A format that gave no label: its description to finish by hand, the request and the reply as
    text, and the places in the reply that looked like an answer.
    """

    table: dict[str, Any]
    problem: str
    request: str
    reply: str
    candidates: tuple[str, ...]
    rank: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"nearest_miss": {k: v for k, v in asdict(self).items() if k != "rank"}}

    def description(self) -> str:
        """The description as TOML, with comments on what is open."""
        stated = {name: value for name, value in self.table.items() if name != "response"}
        response = {"path": "", "kind": "label", **self.table.get("response", {})}
        notes = (_UNFINISHED, f"The last problem: {self.problem}", *self.candidates)
        return target_text({**stated, "response": response}, notes)

    def text(self) -> str:
        """The miss as ``check`` prints it."""
        parts = [("Nearest miss: request", self.request), ("Its reply", self.reply)]
        lines = [line for title, body in parts for line in (f"{title}:", *_indented(body))]
        looked = self.candidates or ("Nothing in it looked like an answer.",)
        description = self.description().rstrip().splitlines()
        return "\n".join(
            [
                *lines,
                *looked,
                "A description to finish by hand:",
                *_indented("\n".join(description)),
            ]
        )


def miss_of(table: dict[str, Any], exchange: Exchange, problem: str) -> Miss:
    """The miss that ``exchange``, asked as ``table`` says, is."""
    try:
        reply = strict_json.parse(exchange.reply.body)
        rank = 1
    except BadReply:
        reply, rank = None, 0
    good = 200 <= exchange.reply.status < 300
    found: list[str] = []
    if good and rank:
        rules = [guess for guess in guesses(reply) if guess["kind"] != "binary"]
        table = over(table, {"response": rules[0]}) if rules else table
        found = [without_secrets(hidden(line, exchange.secrets)) for line in _values(reply)]
        named = sorted(found, key=lambda line: not any(f"{r['path']} = " in line for r in rules))
        found = [f"Looked like an answer: {line}" for line in named[:_MOST_VALUES]]
    refused = exchange.reply.status in {400, 415, 422}  # a server that says what it wants
    return Miss(
        table=table,
        problem=problem,
        request=exchange.request_text(),
        reply=exchange.reply_text(),
        candidates=tuple(found),
        rank=2 * good + rank + (1 if refused else 0),
    )


def _values(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Places and values in a reply, one line each; a list of numbers counts as one value."""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(str(name), one) for name, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        inner = [(str(place), one) for place, one in enumerate(value[:3])]
    if not inner or depth == _MOST_DEPTH:
        yield f"{path or '(the reply itself)'} = {shown_value(value)}"
        return
    for name, one in inner:
        yield from _values(one, f"{path}.{name}" if path else name, depth + 1)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
