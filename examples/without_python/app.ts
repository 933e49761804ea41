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
