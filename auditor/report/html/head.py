"""The head of a page that nothing is fetched for."""

from __future__ import annotations

import base64
import hashlib

from auditor.report.html.parts import Html, tag, void


def head(title: str, style: str, script: str = "") -> Html:
    """The head of a page with one style sheet, and at most one script in its body.

    Only these very texts and pictures inside the page are allowed: should markup ever slip through
    the escaping, it still runs nothing, fetches nothing and sends nothing.
    """
    allowed = f"style-src {_hash(style)}; "
    allowed += f"script-src {_hash(script)}; " if script else ""
    policy = f"default-src 'none'; img-src data:; {allowed}base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        void("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("meta", name="referrer", content="no-referrer"),
        # Without it a browser asks the server for /favicon.ico.
        void("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(style)),
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
