"""GitHub's side of the gate: the job's summary, and one comment on a pull request that is updated, not repeated."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hil.errors import HilError
from hil.reading import json_of, read_text

MOST = 65_000  # characters that GitHub takes in a comment
_PAGE, _MOST_PAGES = 100, 30
_PATIENCE_S = 30


@dataclass(frozen=True)
class PullRequest:
    """Where a comment goes. base: the commit that the request is against."""

    api: str
    repository: str
    number: int
    base: str | None
    token: str


def pull_request(environment: Mapping[str, str] = os.environ) -> PullRequest | None:
    """That of the workflow's event; None where the event is none, or no token is given."""
    token, event = environment.get("GITHUB_TOKEN"), environment.get("GITHUB_EVENT_PATH")
    if not token or not event:
        return None
    try:
        said = json_of(read_text(Path(event)), event)
        request = said["pull_request"]
        api = environment.get("GITHUB_API_URL", "https://api.github.com")
        return PullRequest(api, environment["GITHUB_REPOSITORY"], int(request["number"]), request["base"]["sha"], token)
    except (HilError, ValueError, KeyError, TypeError):
        return None


def add_summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add to the job's summary, where the job has one."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def comment(request: PullRequest, text: str, marker: str) -> str:
    """Write the comment that begins with the marker, over the one that did before. Returns its address.

    Raises HilError where GitHub refuses (a fork's token may not write) or does not answer.
    """
    body = text if len(text) <= MOST else text[:MOST] + "\n\n(cut: the page among the artefacts has all)\n"
    comments = f"/repos/{request.repository}/issues/{request.number}/comments"
    for page in range(1, _MOST_PAGES + 1):
        found = _ask(request, "GET", f"{comments}?per_page={_PAGE}&page={page}")
        for one in found:
            if str(one.get("body", "")).startswith(marker):
                own = f"/repos/{request.repository}/issues/comments/{one['id']}"
                return str(_ask(request, "PATCH", own, {"body": body}).get("html_url", ""))
        if len(found) < _PAGE:
            break
    return str(_ask(request, "POST", comments, {"body": body}).get("html_url", ""))


def _ask(request: PullRequest, method: str, path: str, content: object = None) -> Any:
    url = urlsplit(request.api)
    if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost"):
        raise HilError(f"GITHUB_API_URL is {request.api}: expected an address of https")
    headers = {
        "Authorization": f"Bearer {request.token}", "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28", "Content-Type": "application/json", "User-Agent": "rnnpool-hil",
    }  # fmt: skip
    data = None if content is None else json.dumps(content).encode()
    asked = urllib.request.Request(request.api + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=_PATIENCE_S) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        hint = ": the job needs permissions: pull-requests: write" if error.code in (401, 403, 404) else ""
        raise HilError(f"GitHub refuses the comment ({error.code} {error.reason}){hint}") from error
    except (OSError, ValueError) as error:
        raise HilError(f"GitHub does not take the comment: {error}") from error
