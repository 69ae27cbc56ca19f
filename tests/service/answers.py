"""What the API answers, for tests to judge. Not a test file."""

from __future__ import annotations

from typing import Any


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that must be this problem."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    body: dict[str, Any] = answer.json()
    return body


def why(answer: Any, status: int, code: str) -> str:
    """What such an answer says in words."""
    return str(problem(answer, status, code)["detail"])
