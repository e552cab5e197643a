"""The secrets of this run, so that no text that leaves the program holds one of them.

Code that reads a key remembers it here. Errors, class names and tracebacks pass through
:func:`without_secrets` before they are shown, however a server repeats them.
"""

from __future__ import annotations

MIN_SECRET = 6
"""Shorter texts ("1", "true") are hardly secrets, and hiding them would garble messages."""
_PIECE = 8
"""A message cut in the middle of a key still shows its beginning or end: so much is hidden too."""

_known: set[str] = set()
_keys: set[str] = set()


def remember(*secrets: str) -> None:
    """Hide ``secrets`` from now on."""
    _known.update(secret for secret in secrets if len(secret) >= MIN_SECRET)


def remember_key(key: str) -> None:
    """Hide ``key`` from now on, and pieces of it at its beginning and end."""
    remember(key)
    if len(key) > _PIECE:
        _keys.add(key)


def without_secrets(text: str) -> str:
    """``text`` with every secret of this run replaced by asterisks."""
    for secret in sorted(_known, key=len, reverse=True):  # a part must not go before the whole
        text = text.replace(secret, "***")
    for key in _keys:
        text = _without_pieces(text, key)
    return text


def _without_pieces(text: str, key: str) -> str:
    head, tail = key[:_PIECE], key[-_PIECE:]
    while (start := text.find(head)) >= 0:
        end = start + _PIECE
        while end < len(text) and key.startswith(text[start : end + 1]):
            end += 1
        text = f"{text[:start]}***{text[end:]}"
    while (place := text.find(tail)) >= 0:
        start, end = place, place + _PIECE
        while start > 0 and key.endswith(text[start - 1 : end]):
            start -= 1
        text = f"{text[:start]}***{text[end:]}"
    return text
