"""Testing your own CDK app against the embedded local AWS: `pip install cleanrooms-privacy-budget[local] pytest`.

The plugin gives the fixture ``local_aws``: a local AWS for the session, with a demo membership in Clean Rooms. The deployment needs the
CDK CLI (`npm install aws-cdk`), here that of the folder where pytest runs.
"""

import subprocess
import sys
from pathlib import Path

from cleanrooms_local_aws import LocalAws

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

CDK = str(Path("node_modules/.bin/cdk").absolute())

MY_APP = """
import os
import aws_cdk as cdk
from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "MyStack")
PrivacyBudgetTemplate(
    stack,
    "Budget",
    membership_id=os.environ["MEMBERSHIP"],
    budget=PrivacyBudget.differential_privacy(epsilon=4, users_noise_per_query=50),
)
app.synth()
"""


def test_my_stack_makes_the_budget_that_i_want(local_aws: LocalAws, tmp_path: Path) -> None:
    """Deploy the app, then look at Clean Rooms."""
    membership = local_aws.demo.membership_id
    (tmp_path / "app.py").write_text(MY_APP)
    local_aws.bootstrap([CDK])
    subprocess.run(
        [CDK, "deploy", "--app", f"{sys.executable} app.py", "--require-approval", "never"],
        cwd=tmp_path,
        env={**local_aws.environment, "MEMBERSHIP": membership},
        check=True,
    )
    clean_rooms = local_aws.client("cleanrooms")
    (summary,) = clean_rooms.list_privacy_budget_templates(membershipIdentifier=membership)["privacyBudgetTemplateSummaries"]
    template = clean_rooms.get_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=summary["id"])[
        "privacyBudgetTemplate"
    ]
    assert template["parameters"]["differentialPrivacy"] == {"epsilon": 4, "usersNoisePerQuery": 50}
