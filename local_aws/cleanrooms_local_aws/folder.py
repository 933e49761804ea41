"""The one folder in which a local AWS keeps everything: settings, state, certificate, logs. Only the emulator is installed elsewhere."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .emulator import PINNED_VERSION
from .errors import LocalAwsError

FORMAT: Final = f"3, ministack {PINNED_VERSION}"
"""What the state in a folder depends on; folders of another format are refused."""


@dataclass(frozen=True)
class Folder:
    """Where everything is in a local AWS's folder."""

    path: Path

    @property
    def marker(self) -> Path:
        """Says that this folder is a local AWS's, and of which format."""
        return self.path / "local-aws.json"

    @property
    def server(self) -> Path:
        """Locked by the server as long as it lives; holds its process id and, once it is ready, its port."""
        return self.path / "server.json"

    @property
    def starting(self) -> Path:
        """Locked by whoever starts the server."""
        return self.path / "starting.lock"

    @property
    def log(self) -> Path:
        """The server's output since it was last started."""
        return self.path / "server.log"

    @property
    def previous_log(self) -> Path:
        """What the server before said."""
        return self.path / "server.previous.log"

    @property
    def certificate(self) -> Path:
        """The server's own certificate, which clients have to trust."""
        return self.path / "certificate.pem"

    @property
    def key(self) -> Path:
        """The certificate's private key."""
        return self.path / "key.pem"

    @property
    def state(self) -> Path:
        """What the services hold, one file each."""
        return self.path / "state"

    @property
    def clean_rooms(self) -> Path:
        """What Clean Rooms holds."""
        return self.state / "clean-rooms.json"

    @property
    def cloud_trail(self) -> Path:
        """CloudTrail's events, one a line."""
        return self.state / "cloud-trail.jsonl"

    @property
    def objects(self) -> Path:
        """The objects in S3."""
        return self.path / "s3"

    @property
    def demo(self) -> Path:
        """The ids of the demo's memberships and tables."""
        return self.path / "demo.json"

    @property
    def home(self) -> Path:
        """An empty home for the server and its functions, so that nothing is read from the user's."""
        return self.path / "home"

    @property
    def temporary(self) -> Path:
        """Emptied at every start and stop."""
        return self.path / "tmp"

    @property
    def code(self) -> Path:
        """What the server finds besides the emulator's environment: this package, by a link."""
        return self.path / "code"

    @property
    def runtime(self) -> Path:
        """What a Python function finds besides its own code: the AWS SDK, as in Lambda."""
        return self.path / "runtime"

    @property
    def cdk(self) -> Path:
        """The CDK CLI's own home: its caches know which account a set of credentials belongs to."""
        return self.path / "cdk"

    @property
    def empty(self) -> Path:
        """An empty working directory."""
        return self.path / "empty"

    def check(self) -> None:
        """Check that a local AWS of this version may be here. Raises LocalAwsError."""
        entries = self._entries()  # asked for before the marker: somebody else may be making the folder
        if self.exists():
            self._check_format()
        elif entries:
            raise LocalAwsError(f"{self.path} holds something else than a local AWS. Choose a folder that is empty or does not exist yet.")

    def prepare(self) -> None:
        """Make what is to be in the folder; only one process at a time may do so."""
        write_atomically(self.marker, json.dumps({"format": FORMAT}).encode())
        (self.path / ".gitignore").write_text("*\n")
        for directory in (self.state, self.objects, self.home, self.temporary, self.code, self.runtime, self.cdk, self.empty):
            directory.mkdir(exist_ok=True)

    def exists(self) -> bool:
        """Whether there is a local AWS in this folder, of whatever version."""
        return self.marker.exists()

    def remove(self) -> None:
        """Delete the folder. Raises LocalAwsError where it is not a local AWS's."""
        if not self.path.exists():
            return
        if not self.exists():
            raise LocalAwsError(f"{self.path} is no folder of a local AWS, so it is left alone. Delete it yourself if it can go.")
        shutil.rmtree(self.path)

    def empty_temporary(self) -> None:
        """Delete what functions and the server left in their temporary folder."""
        for entry in self.temporary.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _entries(self) -> set[str]:
        """What is in the folder, besides what is there before the marker is."""
        if not self.path.exists():
            return set()
        if not self.path.is_dir():
            return {self.path.name}
        return {entry.name for entry in self.path.iterdir()} - {self.starting.name, f"{self.marker.name}.new"}

    def _check_format(self) -> None:
        try:
            found = json.loads(self.marker.read_bytes())["format"]
        except (ValueError, LookupError, TypeError):
            found = "unknown"
        if found != FORMAT:
            raise LocalAwsError(
                f"{self.path} was made by another version of the local AWS (its format is {found!r}, this version's is {FORMAT!r})."
                f" Start anew after `python -m cleanrooms_local_aws destroy --folder {self.path}`."
            )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it, even after a crash, finds either the old or the new content."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)
