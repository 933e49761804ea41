"""The Lambda function behind ``Custom::CleanRoomsPrivacyBudgetTemplate``: CloudFormation's events, and one response to each.

An event flows one way: ``function`` → ``events`` (by the protocol of ``protocol``) → ``privacy_budget_core``.
"""
