"""The real CDK CLI against the embedded local AWS."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanrooms_local_aws import LocalAws
from tests.support.deployed_app import synthesize

ROOT = Path(__file__).parents[2]
CLI = ROOT / "node_modules" / ".bin" / "cdk"


@dataclass
class Ran:
    """A command's exit status and what it printed."""

    status: int
    text: str


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Ran:
    """Run a command in a folder, with nothing to read."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout)


def run_cli(local_aws: LocalAws, folder: Path, *arguments: str) -> Ran:
    """Run the CLI in a folder, against the local AWS."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(CLI), "--no-notices", "--no-version-reporting", *arguments]
    return run(command, folder, {**local_aws.environment, "PATH": path, "CI": "true"})


@dataclass
class Cdk:
    """The CLI for one app: the test synthesizes it in its own process, which is faster, and the CLI takes it from there."""

    local_aws: LocalAws
    folder: Path

    def run(self, *arguments: str) -> Ran:
        return run_cli(self.local_aws, self.folder, "--app", "cdk.out", *arguments)

    def declare(self, *stacks: Mapping[str, Any]) -> None:
        """Synthesize an app with these stacks: their names, templates and options."""
        shutil.rmtree(self.folder / "cdk.out", ignore_errors=True)
        synthesize(stacks, self.folder / "cdk.out")

    def deploy(self, *stacks: Mapping[str, Any]) -> Ran:
        self.declare(*stacks)
        options = ("--require-approval", "never", "--outputs-file", "outputs.json")
        return self.run("deploy", "--all", *options)

    def deploys(self, *stacks: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Deploy, which must succeed, and give each stack's outputs."""
        ran = self.deploy(*stacks)
        assert ran.status == 0, ran.text
        outputs: dict[str, dict[str, str]] = json.loads((self.folder / "outputs.json").read_text())
        return outputs

    def destroys(self) -> None:
        ran = self.run("destroy", "--all", "--force")
        assert ran.status == 0, ran.text

    def deletes(self, *stacks: str) -> None:
        """Delete stacks, all at once and without the CLI, which would ask every five seconds only how far they are."""
        client = self.local_aws.client("cloudformation")
        ids = [client.describe_stacks(StackName=stack)["Stacks"][0]["StackId"] for stack in stacks]
        for id_ in ids:
            client.delete_stack(StackName=id_)
        assert {self.settled(id_) for id_ in ids} == {"DELETE_COMPLETE"}

    def settled(self, stack: str) -> str:
        """The status of a stack, of which nothing is in progress any more."""
        client = self.local_aws.client("cloudformation")
        deadline = time.monotonic() + 60
        while (status := str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])).endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"stack {stack} is still {status}"
            time.sleep(0.1)
        return status

    def resource(self, stack: str, logical_id: str) -> dict[str, Any]:
        """A stack's resource as CloudFormation has it."""
        client = self.local_aws.client("cloudformation")
        (found,) = client.describe_stack_resources(StackName=stack, LogicalResourceId=logical_id)["StackResources"]
        return dict(found)


@dataclass
class Engine(Cdk):
    """CloudFormation itself for one app: for what the CLI has no part in. It deploys an assembly as the CLI would, all stacks at once."""

    def deploy(self, *stacks: Mapping[str, Any]) -> Ran:
        self.declare(*stacks)
        return self.deploy_assembly()

    def deploy_assembly(self) -> Ran:
        """Deploy what was synthesized; the status is 0 where every stack is complete, and the text has the stacks' events."""
        self._publish()
        client = self.local_aws.client("cloudformation")
        ids: dict[str, str] = {}
        statuses: set[str] = set()
        while waiting := {name: needed for name, needed in self._needed().items() if name not in ids}:
            begun = {name: self._begin(client, name) for name, needed in waiting.items() if needed <= ids.keys()}
            statuses |= {self.settled(id_) for id_ in begun.values()}
            ids |= begun
        events = [event for id_ in ids.values() for event in client.describe_stack_events(StackName=id_)["StackEvents"]]
        text = "\n".join(
            f"{event['LogicalResourceId']} {event['ResourceStatus']} {event.get('ResourceStatusReason', '')}" for event in events
        )
        return Ran(int(not statuses <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}), text)

    def deploys(self, *stacks: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        self.declare(*stacks)
        return self.deploys_assembly()

    def deploys_assembly(self) -> dict[str, dict[str, str]]:
        """Deploy what was synthesized, which must succeed, and give each stack's outputs."""
        ran = self.deploy_assembly()
        assert ran.status == 0, ran.text
        client = self.local_aws.client("cloudformation")
        found = [client.describe_stacks(StackName=name)["Stacks"][0] for name in self._needed()]
        return {stack["StackName"]: {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])} for stack in found}

    def destroys(self) -> None:
        self.deletes(*self._needed())

    def _publish(self) -> None:
        s3 = self.local_aws.client("s3")
        for manifest in (self.folder / "cdk.out").glob("*.assets.json"):
            for asset in json.loads(manifest.read_text())["files"].values():
                for destination in asset["destinations"].values():
                    bucket, key = self._here(destination["bucketName"]), destination["objectKey"]
                    # As the CLI does; the CDK also writes no file anew that it has written for an earlier assembly.
                    if s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 0:
                        s3.put_object(Bucket=bucket, Key=key, Body=(manifest.parent / asset["source"]["path"]).read_bytes())

    def _here(self, name: str) -> str:
        """A name in an assembly that is for any account and region, in this one."""
        return name.replace("${AWS::AccountId}", self.local_aws.account_id).replace("${AWS::Region}", self.local_aws.region)

    @property
    def _artifacts(self) -> dict[str, Any]:
        """What the assembly's manifest has of its stacks."""
        artifacts = json.loads((self.folder / "cdk.out" / "manifest.json").read_text())["artifacts"]
        return {name: artifact for name, artifact in artifacts.items() if artifact["type"] == "aws:cloudformation:stack"}

    def _needed(self) -> dict[str, set[str]]:
        """By stack, the stacks that must be there before it."""
        return {name: self._artifacts.keys() & artifact.get("dependencies", []) for name, artifact in self._artifacts.items()}

    def _begin(self, client: Any, name: str) -> str:
        """Create the stack, or update it where it exists and would change; its id."""
        tags = self._artifacts[name]["properties"].get("tags", {})
        template = (self.folder / "cdk.out" / f"{name}.template.json").read_text()
        request = {
            "StackName": name,
            "TemplateBody": template,
            "Capabilities": ["CAPABILITY_IAM"],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        existing = {stack["StackName"]: stack["StackStatus"] for stack in client.describe_stacks()["Stacks"]}
        status = existing.get(name, "DELETE_COMPLETE")
        if status == "ROLLBACK_COMPLETE":
            self.deletes(name)
        if status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
            return str(client.create_stack(**request)["StackId"])
        try:
            return str(client.update_stack(**request)["StackId"])
        except client.exceptions.ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return name
