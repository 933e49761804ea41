"""What a deployment would do to each privacy budget template, and what becomes of what is consumed of its budget.

CloudFormation evaluates the templates, in a change set. Data flows one way: ``assembly`` names the stacks, ``account`` opens their
accounts, ``preparation`` makes a change set where none stands, ``change_set`` reads it, ``events`` tells what CloudFormation will send,
``dry_run`` runs the handler's own code for that on a Clean Rooms that is only read, and ``steps`` tells the effects.
"""
