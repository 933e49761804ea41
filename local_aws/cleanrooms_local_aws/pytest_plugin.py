"""Test your own CDK app's deployment without an account.

Enable the fixture in your ``conftest.py``::

    pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

and deploy with the CLI that you deploy with::

    def test_deploys(local_aws: LocalAws) -> None:
        cdk = ["npx", "cdk"]
        local_aws.bootstrap(cdk)
        deploy = [*cdk, "deploy", "--require-approval", "never", "-c", f"membership={local_aws.demo.membership_id}"]
        subprocess.run(deploy, env=local_aws.environment, check=True)
        held = local_aws.client("cleanrooms").list_privacy_budget_templates(
            membershipIdentifier=local_aws.demo.membership_id
        )
        assert len(held["privacyBudgetTemplateSummaries"]) == 1

``local_aws.spend`` uses up a part of any budget, as queries would::

    local_aws.spend(local_aws.demo.membership_id, None, 7)

The environment leads every AWS SDK and the CDK CLI to the local AWS, never to an account of yours. Stacks, and what they made, stand
until the end of the session or until the test deletes them; a membership can hold one differential-privacy template only.
"""

from collections.abc import Iterator

import pytest

from . import LocalAws


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS for the session, with the demo's memberships and tables in it."""
    started = LocalAws(tmp_path_factory.mktemp("local-aws"))
    try:
        started.start()
        yield started
    finally:
        started.destroy()
