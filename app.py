"""The CDK app of this repository: the stack of the environment that the context names, or a pipeline that deploys to each of them."""

import aws_cdk as cdk

from stacks.budget_stack import PrivacyBudgetStack
from stacks.settings import WrongSetting, chosen_environment, chosen_pipeline, environments

app = cdk.App()
try:
    pipeline = chosen_pipeline(app)
    if pipeline is None:
        PrivacyBudgetStack(app, chosen_environment(app))
    else:
        from stacks.pipeline_stack import PipelineStack

        PipelineStack(app, pipeline, environments(app))
except WrongSetting as error:
    raise SystemExit(str(error)) from None
app.synth()
