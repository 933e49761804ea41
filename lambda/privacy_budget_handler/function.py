"""Entry point of the Lambda function. A function that cannot start still sends a response, so that no stack waits for an hour.

Garbage collection is off while the modules are loaded, since nothing can be collected then; it skips them afterwards.
"""

import gc

gc.disable()  # before the imports below, which are most of what is loaded

from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

from .deferred import deferring  # noqa: E402

with deferring():
    from . import cfn_response

    try:
        from .events import handle
    except Exception as error:
        import traceback

        traceback.print_exc()
        _reason = f"The provider's function could not start: {type(error).__name__}: {error}"

        def handle(event: Mapping[str, Any], context: Any) -> None:
            """Respond that the function is broken; nothing was done."""
            cfn_response.deliver(
                event["ResponseURL"],
                cfn_response.body(event, cfn_response.FAILED, _reason),
                lambda: float(context.get_remaining_time_in_millis()) / 1000,
            )


gc.freeze()
gc.enable()


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Handle one custom-resource event. Raises DeliveryError where CloudFormation did not accept the response."""
    handle(event, context)
