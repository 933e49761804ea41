"""CloudTrail in this process: it records what a Clean Rooms client is answered, and answers LookupEvents."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from cleanrooms_local_aws.cloud_trail import Caller, CloudTrail
from cleanrooms_local_aws.errors import EventLookupError
from tests.support.stack import ACCOUNT, REGION, Response

ROOT = {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
HANDLER = {
    "type": "AssumedRole",
    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ProviderRole/Provider",
    "principalId": "AROA:Provider",
    "accountId": ACCOUNT,
}


class RecordedCalls:
    """A trail of the calls that one client makes, at the time that ``now`` says and as whoever ``identity`` says."""

    kept_since: ClassVar[float] = 0
    """LookupEvents finds nothing older."""

    def __init__(self, client: Any, file: Path, now: float) -> None:
        self.now = now
        self.identity: Mapping[str, Any] = ROOT
        self.trail = CloudTrail(file, lambda: self.now)
        self._request: dict[str, Any] = {}
        client.meta.events.register("provide-client-params.cleanrooms", self._sent)
        client.meta.events.register("after-call.cleanrooms", self._answered)

    def records(self) -> list[dict[str, Any]]:
        """Every record, the oldest first."""
        found = self.trail.lookup(ACCOUNT, REGION, {})["Events"]
        return [json.loads(event["CloudTrailEvent"]) for event in found][::-1]

    def answer(self, request: Any, **_: object) -> AWSResponse:
        """Answer a CloudTrail client."""
        try:
            status, answered = 200, self.trail.lookup(ACCOUNT, REGION, {"StartTime": self.kept_since, **json.loads(request.body)})
        except EventLookupError as error:
            status, answered = 400, {"__type": error.code, "message": str(error)}
        headers = HTTPHeaders.from_dict({"Content-Type": "application/x-amz-json-1.1"})
        return AWSResponse(request.url, status, headers, Response(json.dumps(answered).encode()))

    def _sent(self, params: dict[str, Any], **_: object) -> None:
        self._request = params

    def _answered(self, model: Any, parsed: dict[str, Any], **_: object) -> None:
        failed = parsed.get("Error")
        answer = json.loads(json.dumps({name: part for name, part in parsed.items() if name != "ResponseMetadata"}, default=str))
        self.trail.record(
            Caller(self.identity, "127.0.0.1", "me"),
            account_id=ACCOUNT,
            region=REGION,
            source="cleanrooms.amazonaws.com",
            name=model.name,
            read_only=model.name.startswith(("Get", "List")),
            request=self._request,
            answer=answer,
            error=(failed["Code"], failed["Message"]) if failed else None,
            resources=[],
        )
