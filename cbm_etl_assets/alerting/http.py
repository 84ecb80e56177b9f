"""One POST, and what its answer means for the outbox. Owns time-outs, Retry-After and the secrecy of addresses.

requests, and not the standard library: it follows the proxy and the certificates of the machine (HTTPS_PROXY, REQUESTS_CA_BUNDLE).
A webhook's address is a password: no text that leaves here holds more of it than the host.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from urllib.parse import urlsplit

RETRIED = frozenset({408, 425, 429})  # beside every 5xx
LONGEST_REST_SECONDS = 24 * 3600.0  # a Retry-After beyond a day is an error or an attack


class Fate(Enum):
    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """`retry_after_seconds`: what the other side asked for, None = it did not say."""

    fate: Fate
    detail: str = ""
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Http:
    """Where and how long. `timeout_seconds` bounds connecting and each wait for bytes; `drain` bounds the whole."""

    timeout_seconds: float = 8.0

    def post(self, url: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        import requests

        # At DEBUG urllib3 writes the path, with the signature in it.
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        host = host_of(url)
        data = json.dumps(body).encode("ascii")
        try:
            with requests.Session() as session, session.post(
                url, data=data, headers={"Content-Type": "application/json", **(headers or {})}, timeout=self.timeout_seconds,
                allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                return judge(response.status_code, response.headers.get("Retry-After"), host)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            return Answer(Fate.REFUSED, "the route's url is not an http address")
        except (requests.exceptions.RequestException, OSError) as error:
            return Answer(Fate.LATER, f"{type(error).__name__} at {host}")  # its own text repeats the address


def judge(status: int, retry_after: str | None, host: str) -> Answer:
    if 200 <= status < 300:
        return Answer(Fate.SENT)
    what = f"HTTP {status} from {host}"
    if status in RETRIED or status >= 500:
        return Answer(Fate.LATER, what, seconds_of(retry_after))
    return Answer(Fate.REFUSED, what)


def seconds_of(retry_after: str | None, now: dt.datetime | None = None) -> float | None:
    """`Retry-After: 120` or an HTTP date."""
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isdigit():
        return min(float(text[:9]), LONGEST_REST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    wait = (aware - (now or dt.datetime.now(dt.UTC))).total_seconds()
    return min(max(wait, 0.0), LONGEST_REST_SECONDS)


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the route's url"
    except ValueError:
        return "the route's url"
