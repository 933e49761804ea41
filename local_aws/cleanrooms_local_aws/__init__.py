"""AWS on your own machine, for deploying and testing privacy budget templates without an account.

CloudFormation, Lambda, IAM, STS, S3, SSM and others by ministack, Clean Rooms by moto, with privacy budgets added; the real CDK
CLI and boto3 work against it. Everything that it holds is in one folder, and gone with it.
"""

from .demo import Demo
from .errors import LocalAwsError
from .local_aws import LocalAws

__all__ = ["Demo", "LocalAws", "LocalAwsError"]
