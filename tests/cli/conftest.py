"""The command's terminal: a test that wants a width sets it."""

import pytest


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have set a width, which the command would fold its lines to."""
    monkeypatch.delenv("COLUMNS", raising=False)
