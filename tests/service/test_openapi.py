from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.openapi import document, export

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_checked_in_document_is_the_present_one() -> None:
    assert CHECKED_IN.read_text() == export() + "\n", "run `make openapi` and look at what changed"


def test_the_document_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_DEFAULT_MODEL", "other")
    monkeypatch.setenv("GLEANER_DATA_DIR", "/elsewhere")
    assert CHECKED_IN.read_text() == export() + "\n"


def test_errors_are_declared_as_problems() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            declared = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            if path.startswith("/v1/"):
                assert declared
                assert all("application/problem+json" in answer["content"] for answer in declared.values()), path


def test_both_ways_of_uploading_are_described() -> None:
    submit: dict[str, Any] = document()["paths"]["/v1/clips"]["post"]
    content = submit["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/octet-stream", "video/*"}
    form = content["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    options = {
        "model",
        "scale",
        "target_height",
        "codec",
        "quality",
        "keep_audio",
        "consistency",
        "detail",
        "reuse",
        "fuse",
    }
    assert {"file", *options} == set(form["properties"])
    assert "#/$defs" not in str(form)


def test_operations_have_names_for_generated_clients() -> None:
    names = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert {"submit", "list_clips", "show_clip", "delete_clip", "clip_events", "clip_result"} <= set(names)
