"""The Lambda function behind ``Custom::CleanRoomsPrivacyBudgetTemplate``.

An event flows one way: ``function`` → ``protocol`` → ``properties`` → ``reconcile`` (deciding by ``lifecycle``) → ``client``.
``contract`` is what the construct library shares with it, and imports nothing outside the standard library.
"""

__version__ = "0.1.0"
"""The version of the whole package: of the construct library, of the wheel, and of the function that it deploys."""
