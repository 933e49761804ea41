"""Entry point of the Lambda function. A function that cannot start still answers, so that no stack waits for an hour."""

import traceback
from collections.abc import Mapping
from typing import Any

from . import answer

try:
    from .events import handle
except Exception as error:
    traceback.print_exc()
    _reason = f"The provider's function could not start: {type(error).__name__}: {error}"

    def handle(event: Mapping[str, Any], context: Any) -> None:
        """Answer that the function is broken; nothing was done."""
        answer.deliver(
            event["ResponseURL"],
            answer.body(event, answer.FAILED, _reason),
            lambda: float(context.get_remaining_time_in_millis()) / 1000,
        )


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Handle one custom-resource event. Raises NotDelivered where CloudFormation did not take the answer."""
    handle(event, context)
