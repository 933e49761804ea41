#!/bin/sh
# Needs TEMPLATE_FOLDER (what `make template` wrote), CODE_BUCKET (in this region), MEMBERSHIP and SALES_TABLE.
# MAX_EPSILON is a guardrail for every stack that uses the provider.
set -eu

aws s3 cp "$TEMPLATE_FOLDER"/privacy_budget_handler-*.zip "s3://$CODE_BUCKET/"

aws cloudformation deploy --no-fail-on-empty-changeset --stack-name privacy-budget-provider \
  --template-file "$TEMPLATE_FOLDER/provider.yaml" --capabilities CAPABILITY_IAM \
  --parameter-overrides CodeBucket="$CODE_BUCKET" MaxEpsilon="${MAX_EPSILON:-null}"

aws cloudformation deploy --no-fail-on-empty-changeset --stack-name privacy-budgets \
  --template-file "$(dirname "$0")/budget.yaml" \
  --parameter-overrides Membership="$MEMBERSHIP" SalesTable="$SALES_TABLE" Epsilon="${EPSILON:-3}"
