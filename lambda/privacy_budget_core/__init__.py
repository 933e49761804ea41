"""The domain: what a privacy budget is, what is wanted of it, and how Clean Rooms is brought to that.

Constructs, command, handler and monitor use it; it imports none of them, neither the CDK nor Lambda's or CloudFormation's
protocol. ``contract`` and ``physical_id`` import nothing outside the standard library.
"""

__version__ = "0.1.0"
"""The version of the whole package: of the construct library, of the wheel, and of the functions that it deploys."""
