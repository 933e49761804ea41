"""Take the documentation's pictures of the command privacy-budget: real runs against an embedded local AWS, as a terminal shows them.

``python -m tools.release.screenshots`` writes them to docs/assets/command. It deploys this repository's app, consumes some of its budget,
adds an access budget, and runs the command.
"""

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from cleanrooms_local_aws import LocalAws

ROOT: Final = Path(__file__).resolve().parents[2]
PICTURES: Final = ROOT / "docs" / "assets" / "command"
CDK: Final = (str(ROOT / "node_modules" / ".bin" / "cdk"), "--no-notices", "-c", "environment=local")
COMMAND: Final = (sys.executable, "-m", "privacy_budget_cli")

_WITHOUT_FONTS: Final = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich would have the picture fetch its font from a network."""


def main() -> None:
    """Take every picture."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        local_aws = LocalAws(Path(scratch) / "aws", requests_per_second=5)
        try:
            local_aws.start()
            _prepare(local_aws, Path(scratch))
            membership = local_aws.demo.membership_id
            _take_picture("status", local_aws, ["status", "--all", "--fail-below", "0.2"], 110)
            _take_picture("status-narrow", local_aws, ["status", membership], 40)
            _take_picture("preview", local_aws, ["preview", membership, "--epsilon", "1,3,5,10,20", "--noise", "10,30,100"], 132)
            _take_picture("unknown", local_aws, ["preview", membership.replace("4", "5"), "--region", "eu-west-1"], 110)
            _take_picture("plan", local_aws, ["plan"], 110, folder=_changed(local_aws, Path(scratch)))
            chart = ["preview", membership, "--plot", str(PICTURES / "preview.png"), "--json"]
            subprocess.run([*COMMAND, *chart], env=local_aws.environment, stdout=subprocess.DEVNULL, check=True)
            _change_budget(local_aws, Path(scratch))
            _take_picture("history", local_aws, ["history", membership], 132)
            chart = ["history", membership, "--plot", str(PICTURES / "history.png"), "--json"]
            subprocess.run([*COMMAND, *chart], env=local_aws.environment, stdout=subprocess.DEVNULL, check=True)
        finally:
            local_aws.destroy()


def in_terminal(command: list[str], environment: Mapping[str, str], columns: int, folder: Path = ROOT) -> tuple[int, str]:
    """Run a command in a terminal that is so wide, and give its exit status and all that it wrote there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    kept["TERM"] = "xterm-256color"
    running = subprocess.Popen(command, cwd=folder, env=kept, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    finally:
        os.close(ours)
    return running.wait(), written.decode().replace("\r\n", "\n")


def _prepare(local_aws: LocalAws, scratch: Path) -> None:
    """Create a stack's budget, partly consumed, and an access budget by hand, nearly consumed."""
    local_aws.bootstrap(CDK[:1])
    _deploy(local_aws, scratch)
    client, membership = local_aws.client("cleanrooms"), local_aws.demo.membership_id
    (created,) = client.list_privacy_budget_templates(membershipIdentifier=membership)["privacyBudgetTemplateSummaries"]
    local_aws.spend(membership, created["id"], 37, "COUNT")
    local_aws.spend(membership, created["id"], 64, "SUM")
    limits = [{"type": "CALENDAR_DAY", "budget": 100, "autoRefresh": "ENABLED"}, {"type": "LIFETIME", "budget": 1000}]
    access = client.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="ACCESS_BUDGET",
        parameters={"accessBudget": {"resourceArn": local_aws.demo.table_association_arn, "budgetParameters": limits}},
        tags={"team": "sales"},
    )["privacyBudgetTemplate"]
    local_aws.spend(membership, access["id"], 87)


def _deploy(local_aws: LocalAws, scratch: Path, *context: str) -> None:
    """Deploy this repository's app, with values of its context."""
    values = [argument for value in context for argument in ("-c", value)]
    deploy = [*CDK, *values, "deploy", "--all", "--require-approval", "never", "--output", str(scratch / "cdk.out")]
    subprocess.run(deploy, cwd=ROOT, env=local_aws.environment, check=True, capture_output=True)


def _change_budget(local_aws: LocalAws, scratch: Path) -> None:
    """Raise epsilon of the stack's budget, recreate it with a smaller one, and raise that by hand."""
    _deploy(local_aws, scratch, "epsilon=5")
    _deploy(local_aws, scratch, "epsilon=2", "onBudgetReset=ALLOW")
    client, membership = local_aws.client("cleanrooms"), local_aws.demo.membership_id
    templates = client.list_privacy_budget_templates(membershipIdentifier=membership)["privacyBudgetTemplateSummaries"]
    (edited,) = (template for template in templates if template["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY")
    client.update_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetTemplateIdentifier=edited["id"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": 4}},
    )


def _changed(local_aws: LocalAws, scratch: Path) -> Path:
    """A folder whose cdk.out declares a refresh that would reset the consumed budget."""
    changed = scratch / "changed"
    synth = [*CDK, "synth", "--quiet", "-c", "autoRefresh=CALENDAR_MONTH", "--output", str(changed / "cdk.out")]
    subprocess.run(synth, cwd=ROOT, env=local_aws.environment, check=True, capture_output=True)
    return changed


def _take_picture(name: str, local_aws: LocalAws, arguments: list[str], columns: int, folder: Path = ROOT) -> None:
    """Write a picture of the command's run, below the line that the user typed."""
    _, written = in_terminal([*COMMAND, *arguments], local_aws.environment, columns, folder)
    last_frame = re.split(r"\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", written)[-1]  # without the progress bar, which was wiped away
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True, color_system="256", legacy_windows=False)
        typed = Text.assemble(("$ ", "green"), ("privacy-budget " + shlex.join(arguments), "bold"))
        for line in (typed, *Text.from_ansi(last_frame.rstrip()).split()):
            for folded in line.divide(range(columns, len(line), columns)):
                console.print(folded, soft_wrap=True)
        console.save_svg(str(PICTURES / f"{name}.svg"), title="privacy-budget", code_format=_WITHOUT_FONTS, unique_id=name)


if __name__ == "__main__":
    main()
