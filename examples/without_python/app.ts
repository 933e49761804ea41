// A privacy budget template from a CDK app in TypeScript, with the provider in the account already (docs/without-python.md).
//
// In the folder of this file, with Node.js 22 or later:
//
//     npm install --no-save aws-cdk@2.1148.1 aws-cdk-lib@2.275.0 constructs@10.8.1 tsx@4.23.15 typescript@6.0.3
//     npx tsc --noEmit --strict --skipLibCheck --module nodenext app.ts
//     npx cdk synth --app "npx tsx app.ts"
//     npx cdk deploy --app "npx tsx app.ts"

import * as cdk from 'aws-cdk-lib';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';

const app = new cdk.App();
const stack = new cdk.Stack(app, 'PrivacyBudgets');

const privacy = new cdk.CustomResource(stack, 'Privacy', {
  resourceType: 'Custom::CleanRoomsPrivacyBudgetTemplate',
  serviceToken: StringParameter.valueForStringParameter(stack, '/cleanrooms-privacy-budget/provider'),
  serviceTimeout: cdk.Duration.minutes(16),
  removalPolicy: cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  properties: {
    MembershipIdentifier: '0c6de8a4-93b4-4a5e-8b1c-9f1f2a3b4c5d',
    PrivacyBudgetType: 'DIFFERENTIAL_PRIVACY',
    AutoRefresh: 'NONE',
    Parameters: { Epsilon: 3, UsersNoisePerQuery: 30 },
    Tags: [{ Key: 'team', Value: 'privacy' }],
  },
});

new cdk.CfnOutput(stack, 'PrivacyArn', { value: privacy.getAttString('Arn') });
