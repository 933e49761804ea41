"""The default event bus gets the Clean Rooms calls that CloudTrail records; the emulator's own trail is not connected to EventBridge.

Rules match as though a trail that records management events exists in every account and region. Events of calls that only read are
left out: EventBridge delivers them only to rules that ask for all management events. Source: "AWS service events delivered via AWS
CloudTrail" in the EventBridge user guide.
"""

import json
from collections.abc import Mapping
from typing import Any

from . import emulator


def publish(event: Mapping[str, Any]) -> None:
    """Send a CloudTrail record to the rules of the request's account and region, unless the call only reads."""
    if event["readOnly"]:
        return
    entry = {
        "Source": f"aws.{event['eventSource'].partition('.')[0]}",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": json.dumps(event),
    }
    emulator.module("services.eventbridge")._put_events({"Entries": [entry]}, allow_aws_source=True)
