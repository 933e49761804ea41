"""AWS Clean Rooms with privacy budgets, emulated on top of moto's collaborations and memberships.

``ledger`` holds the rules, ``request_validation`` checks requests, ``responses`` speaks HTTP. Only ``install`` imports or changes moto.
"""

from .settings import Settings


def install(settings: Settings | None = None) -> None:
    """Have moto serve Clean Rooms by this package. Raises RuntimeError where moto's Clean Rooms is in use already."""
    from moto.cleanrooms.models import cleanrooms_backends  # noqa: PLC0415

    from .models import PrivacyBudgetBackend  # noqa: PLC0415

    if cleanrooms_backends:
        raise RuntimeError(
            "clean_rooms.install() must be called before moto's Clean Rooms is first used,"
            f" got it in use by accounts {', '.join(cleanrooms_backends)}"
        )
    PrivacyBudgetBackend.settings = settings or Settings()
    cleanrooms_backends.backend = PrivacyBudgetBackend
