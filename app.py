"""The CDK app of this repository: the stack of the environment that the context names, or a pipeline that deploys to each of them."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a synth at once, without a traceback of each import and of the CDK

import aws_cdk as cdk  # noqa: E402

from stacks.budget_stack import PrivacyBudgetStack  # noqa: E402
from stacks.settings import chosen_environment, chosen_pipeline, environments  # noqa: E402

app = cdk.App()
try:
    pipeline = chosen_pipeline(app)
    if pipeline is None:
        PrivacyBudgetStack(app, chosen_environment(app))
    else:
        from stacks.pipeline_stack import PipelineStack

        PipelineStack(app, pipeline, environments(app))
except ValueError as error:  # a setting that breaks a rule; the message has the rule, the value and where it stands
    raise SystemExit(str(error)) from None
app.synth()
