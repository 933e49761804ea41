"""The Lambda function behind ``Custom::CleanRoomsPrivacyBudgetTemplate``.

An event flows one way: ``function`` → ``protocol`` → ``properties`` → ``reconcile`` (deciding by ``lifecycle``) → ``client``.
``contract`` is what the construct library shares with it, and imports nothing outside the standard library.
"""
