"""Redaction: takes secrets out of foreign text (driver messages, tracebacks, URLs) before it is shown, logged or stored.

Owns the patterns. Knows no setting: the caller may hand in the secrets it holds, so that they go even where no pattern fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
# A literal shorter than this is not replaced on its own: hiding every 'a' of a message would hide the message.
MIN_LITERAL = 4

# ODBC keyword values may stand in braces (`PWD={a;b}}c}`, a closing brace doubled) and then hold anything, blanks included.
_KEYWORDS = r"(?:pwd|passwd|password|pass|passphrase|secret|client_secret|token|access_token|api_?key|account_?key|sig|sharedaccesskey)"
_BRACED = re.compile(rf"(?i)\b({_KEYWORDS}\s*=\s*)\{{(?:[^}}]|\}}\}})*(?:\}}|$)")
_PLAIN = re.compile(rf"""(?i)\b({_KEYWORDS}\s*=\s*)(?!\{{)("[^"]*"|'[^']*'|[^;&\s"']*)""")
_JSON = re.compile(rf"""(?i)(["']{_KEYWORDS}["']\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
# The user part ends at the first colon, the password at the LAST at-sign before a slash or a blank: it may hold one unescaped.
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)[^\s/]+(@)")
_VALUE = re.compile(rf"(?i)\b{_KEYWORDS}\s*=\s*(?:\{{((?:[^}}]|\}}\}})*)\}}|([^;&\s]+))")
_URL_VALUE = re.compile(r"://[^\s:/@]*:([^\s/]+)@")


def secret_parts(secret: str) -> tuple[str, ...]:
    """The whole secret and the password inside it: a driver may quote `hunter2` without its `PWD=`."""
    inner = [group for found in _VALUE.finditer(secret) for group in found.groups() if group]
    inner += [found[1] for found in _URL_VALUE.finditer(secret)]
    return tuple(sorted({secret, *inner, *(part.replace("}}", "}") for part in inner)}, key=len, reverse=True))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without passwords, tokens and signatures; `secrets` are removed literally, with the passwords inside them."""
    for part in sorted({p for secret in secrets for p in secret_parts(secret)}, key=len, reverse=True):
        if len(part) >= MIN_LITERAL:
            text = text.replace(part, HIDDEN)
    text = _BRACED.sub(rf"\g<1>{HIDDEN}", text)
    text = _PLAIN.sub(rf"\g<1>{HIDDEN}", text)
    text = _JSON.sub(rf'\g<1>"{HIDDEN}"', text)
    return _URL.sub(rf"\g<1>{HIDDEN}\g<2>", text)
