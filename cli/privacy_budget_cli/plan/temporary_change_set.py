"""A change set that a plan makes for itself and deletes again: nothing but templates is uploaded, and nothing is deployed."""

import hashlib
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any, Final

from botocore.exceptions import ClientError

from ..errors import CommandError
from ..messages import say
from .account import Account, Accounts
from .assembly import DeclaredStack, TemplateAsset, read_text
from .change_set import ChangeSet, read

_LARGEST_BODY: Final = 51_200
"""The largest template, in bytes, that CreateChangeSet takes itself. A larger one goes through S3."""
_TOOLKIT: Final = "CDKToolkit"
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_SECONDS_TO_SETTLE: Final = 60


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """End the block by SystemExit on SIGTERM, so that a terminated plan deletes what it made."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def read_temporary(declared: DeclaredStack, account: Account, accounts: Accounts, given: Mapping[str, str]) -> ChangeSet:
    """Make, read and delete a change set of a stack's template. Raises CommandError, ClientError and BotoCoreError.

    :param given: Values of parameters; others keep their values, or have their defaults.
    """
    with ExitStack() as made:
        return _TemporaryChangeSet(declared, account, accounts, made).read(given)


class _TemporaryChangeSet:
    def __init__(self, declared: DeclaredStack, account: Account, accounts: Accounts, made: ExitStack) -> None:
        self._declared = declared
        self._account = account
        self._accounts = accounts
        self._made = made
        """Deletes what was made, the last first, however the block ends."""
        self._client = accounts.client("cloudformation", declared, declared.deploy_role)
        self._deployed = account.deployed(declared.name)

    def read(self, given: Mapping[str, str]) -> ChangeSet:
        name, status = self._declared.name, self._deployed.status
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise CommandError(f"stack {name} is {status}: plan again once it has settled")
        if status == "ROLLBACK_COMPLETE":
            raise CommandError(f"stack {name} is {status}, so there can be no change set: delete the stack, which holds nothing, then plan")
        self._publish_nested_templates()
        request = {
            "StackName": name,
            "ChangeSetName": f"privacy-budget-plan-{time.time_ns()}",
            "ChangeSetType": "CREATE" if status in ("", "REVIEW_IN_PROGRESS") else "UPDATE",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "IncludeNestedStacks": True,
            "Description": "Made by privacy-budget plan, which deletes it again",
            **self._template(),
            **self._options(),
        }
        self._made.callback(self._delete, request["ChangeSetName"])
        try:
            request["Parameters"] = self._parameters(request, {**self._declared.parameters, **given})
            self._client.create_change_set(**request)
        except ClientError as error:
            return self._refused(error)
        return read(self._client, name, request["ChangeSetName"])

    def _options(self) -> dict[str, Any]:
        """The role and the tags that the CDK CLI deploys with."""
        role = self._declared.execution_role
        options: dict[str, Any] = {"RoleARN": self._accounts.resolve(role, self._declared)} if role else {}
        if self._declared.tags:
            options["Tags"] = [{"Key": key, "Value": value} for key, value in self._declared.tags.items()]
        return options

    def _parameters(self, request: Mapping[str, Any], given: Mapping[str, str]) -> list[dict[str, Any]]:
        """The values of the template's parameters, given or as deployed. The others have their defaults."""
        source = {name: request[name] for name in ("TemplateBody", "TemplateURL") if name in request}
        parameters: list[dict[str, Any]] = []
        for parameter in self._client.get_template_summary(**source).get("Parameters", []):
            key = parameter["ParameterKey"]
            if key in given:
                parameters.append({"ParameterKey": key, "ParameterValue": given[key]})
            elif key in self._deployed.parameters:
                parameters.append({"ParameterKey": key, "UsePreviousValue": True})
        return parameters

    def _refused(self, error: ClientError) -> ChangeSet:
        """The change set of a template that CloudFormation rejects. Raises CommandError where it rejects the caller, and ClientError."""
        code, told = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in _DENIED:
            role = self._declared.deploy_role
            may = (
                f"the deploy role of the CDK's bootstrap may, {self._accounts.resolve(role.arn, self._declared)}" if role else "others may"
            )
            raise CommandError(
                f"these credentials may not make a change set for stack {self._declared.name} (AWS says: {told}); {may}: let them assume it"
                " (the lookup role only reads, which is not enough). Or plan an existing change set: cdk deploy"
                " --method=prepare-change-set --change-set-name NAME, then privacy-budget plan --change-set NAME"
            ) from None
        if code != "ValidationError":
            raise error
        return ChangeSet(self._declared.name, self._deployed.stack_id, refusal=told)

    def _delete(self, change_set: str) -> None:
        """Delete the change set, and the stack where it did not exist before."""
        name = self._declared.name
        try:
            self._delete_change_set(change_set)
            if not self._deployed.stack_id:
                self._delete_shell()
        except ClientError as error:
            if "does not exist" in str(error):  # nothing was made
                return
            say(f"change set {change_set} of stack {name} could not be deleted, delete it by hand (AWS says: {error})")

    def _delete_change_set(self, change_set: str) -> None:
        with suppress(self._client.exceptions.ChangeSetNotFoundException):
            deadline = time.monotonic() + _SECONDS_TO_SETTLE
            while self._status_of(change_set).endswith(("PENDING", "IN_PROGRESS")) and time.monotonic() < deadline:
                time.sleep(0.5)
            self._client.delete_change_set(StackName=self._declared.name, ChangeSetName=change_set)

    def _delete_shell(self) -> None:
        """Delete the empty stack that CloudFormation made for the change set, unless it has another change set by now."""
        (shell,) = self._client.describe_stacks(StackName=self._declared.name)["Stacks"]
        if shell["StackStatus"] == "REVIEW_IN_PROGRESS" and not self._client.list_change_sets(StackName=shell["StackId"])["Summaries"]:
            self._client.delete_stack(StackName=shell["StackId"])

    def _status_of(self, change_set: str) -> str:
        described = self._client.describe_change_set(StackName=self._declared.name, ChangeSetName=change_set)
        return str(described["Status"])

    def _template(self) -> dict[str, str]:
        """The template itself or, if it is too large, its URL after an upload."""
        file = self._declared.template
        if file is None:
            raise TypeError("a stack without a template is planned by its change set")
        body = read_text(file).encode()
        if len(body) <= _LARGEST_BODY:
            return {"TemplateBody": body.decode()}
        own = next((asset for asset in self._declared.assets if asset.file == file), None)
        key = f"privacy-budget-plan/{hashlib.sha256(body).hexdigest()}-{time.time_ns()}"
        at = TemplateAsset(file, own.bucket if own else self._bootstrap_bucket(len(body)), key, own.role if own else None)
        bucket, s3 = self._store(at)
        self._made.callback(_ignoring_refusals(s3.delete_object), Bucket=bucket, Key=key)
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return {"TemplateURL": f"https://s3.{self._account.region}.amazonaws.com/{bucket}/{key}"}

    def _publish_nested_templates(self) -> None:
        """Upload the templates of nested stacks under the hash of their content, as a deployment does."""
        for asset in self._declared.assets:
            if asset.file == self._declared.template:
                continue
            bucket, s3 = self._store(asset)
            try:
                s3.head_object(Bucket=bucket, Key=asset.key)
            except ClientError:
                s3.put_object(Bucket=bucket, Key=asset.key, Body=asset.file.read_bytes())

    def _store(self, asset: TemplateAsset) -> tuple[str, Any]:
        return self._accounts.resolve(asset.bucket, self._declared), self._accounts.client("s3", self._declared, asset.role)

    def _bootstrap_bucket(self, size: int) -> str:
        """The bucket of the CDK's bootstrap, for a template without an app."""
        with suppress(ClientError):
            (toolkit,) = self._client.describe_stacks(StackName=_TOOLKIT)["Stacks"]
            return next(str(output["OutputValue"]) for output in toolkit["Outputs"] if output["OutputKey"] == "BucketName")
        raise CommandError(
            f"{self._declared.template} has {size} bytes; one of more than {_LARGEST_BODY} goes through the bucket of the CDK's bootstrap,"
            " which this account and region do not have: run cdk bootstrap, or make the template smaller"
        )


def _ignoring_refusals(call: Any) -> Any:
    def tried(**request: Any) -> None:
        with suppress(ClientError):
            call(**request)

    return tried
