"""The plan: what a deployment would do to each privacy budget template and to the consumed part of its budget.

CloudFormation evaluates the templates, in a change set. Data flows one way: ``assembly`` reads which stacks there are, ``account`` opens
their accounts, ``change_set`` reads what will change, ``resources`` derives the events that CloudFormation will send, ``prediction`` has
each handled by the function's own code, in a ``dry_run`` on a Clean Rooms that is only read, ``steps`` puts the effects in order, and
``report`` prints them.
"""
