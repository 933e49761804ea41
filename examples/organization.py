"""The provider in every account of an organisation, by CloudFormation StackSets: one stack a region.

Needs what ``make template`` wrote, and the credentials of the management account or of StackSets' delegated administrator::

    cdk deploy --all --app "python examples/organization.py" -c organization=o-1a2b3c4d5e -c units=ou-1a2b-3c4d5e6f,ou-1a2b-7a8b9c0d \
        -c regions=eu-west-1,us-east-1 -c bucketPrefix=example-privacy-budget

Each stack has a bucket with the function's zip, which the whole organisation may read, since Lambda takes code from its own region only,
and a stack set that makes the provider in that region of every account below the organisational units, those that join later included.
The embedded local AWS has no StackSets: there, in its region us-east-1, this deployment ends with "Unrecognized resource types:
[AWS::CloudFormation::StackSet]".

No value differs between the accounts of a stack set: overridden ones would not reach an account that joins later.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as s3_deployment


class ProviderInARegion(cdk.Stack):
    """The provider's code and its stack set in one region.

    :param folder: What ``make template`` wrote.
    :param bucket_prefix: The bucket's name up to ``-<region>``.
    :param organization: The organisation's id.
    :param units: The organisational units, or roots, whose accounts get the provider.
    :param delegated: Whether this account is a delegated administrator of StackSets, rather than the management account.
    """

    def __init__(
        self,
        scope: cdk.App,
        id: str,
        *,
        env: cdk.Environment,
        folder: Path,
        bucket_prefix: str,
        organization: str,
        units: list[str],
        delegated: bool,
    ) -> None:
        super().__init__(scope, id, env=env)
        bucket = s3.Bucket(
            self,
            "Code",
            bucket_name=f"{bucket_prefix}-{self.region}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                principals=[iam.AnyPrincipal()],
                resources=[bucket.arn_for_objects("*")],
                conditions={"StringEquals": {"aws:PrincipalOrgID": organization}},
            )
        )
        code = s3_deployment.BucketDeployment(
            self,
            "Zip",
            destination_bucket=bucket,
            sources=[s3_deployment.Source.asset(str(folder), exclude=["**", "!*.zip"])],
            prune=False,  # a stack set that is on its way back needs the zip before
        )
        stack_set = cdk.CfnStackSet(
            self,
            "Provider",
            stack_set_name="privacy-budget-provider",
            description="Makes Clean Rooms privacy budget templates for this region",
            permission_model="SERVICE_MANAGED",
            call_as="DELEGATED_ADMIN" if delegated else "SELF",
            # An account that leaves keeps its provider, which its stacks still need.
            auto_deployment=cdk.CfnStackSet.AutoDeploymentProperty(enabled=True, retain_stacks_on_account_removal=True),
            managed_execution={"Active": True},
            capabilities=["CAPABILITY_IAM"],
            template_body=(folder / "provider.yaml").read_text(),
            parameters=[cdk.CfnStackSet.ParameterProperty(parameter_key="CodeBucket", parameter_value=bucket.bucket_name)],
            operation_preferences=cdk.CfnStackSet.OperationPreferencesProperty(
                max_concurrent_percentage=25, failure_tolerance_percentage=5, concurrency_mode="SOFT_FAILURE_TOLERANCE"
            ),
            stack_instances_group=[
                cdk.CfnStackSet.StackInstancesProperty(
                    deployment_targets=cdk.CfnStackSet.DeploymentTargetsProperty(organizational_unit_ids=units), regions=[self.region]
                )
            ],
        )
        stack_set.node.add_dependency(code)


def main() -> None:
    """One stack a region, each by what the context names."""
    app = cdk.App()

    def given(name: str, default: str | None = None) -> str:
        value = app.node.try_get_context(name) or default
        if value is None:
            raise SystemExit(f"the context must name {name}: -c {name}=…")
        return str(value)

    for region in given("regions").split(","):
        ProviderInARegion(
            app,
            f"PrivacyBudgetProvider-{region}",
            env=cdk.Environment(region=region),
            folder=Path(given("folder", "build/template")),
            bucket_prefix=given("bucketPrefix"),
            organization=given("organization"),
            units=given("units").split(","),
            delegated=given("delegated", "false") == "true",
        )
    app.synth()


if __name__ == "__main__":
    main()
