"""What the local AWS says when something is wrong."""


class LocalAwsError(Exception):
    """The local AWS cannot do what was asked; the message says what is wrong and the way out."""
