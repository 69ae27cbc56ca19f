"""The API's OpenAPI document, as checked in at docs/openapi.json. `python -m service.openapi` writes it to stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from pipeline.settings import Settings
from service.app import create_app


def document() -> dict[str, Any]:
    """The document, the same on every machine: nothing in it comes from the environment."""
    app = create_app(Settings.model_construct(), "redis://localhost")
    return app.openapi()


def export() -> str:
    """The document as JSON text."""
    return json.dumps(document(), indent=1, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(export() + "\n")
