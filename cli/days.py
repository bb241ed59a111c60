"""Days on the command line."""

from datetime import date

from domain.errors import ConfigurationError


def day_given(option: str, text: str, example: str = "2026-11-20") -> date:
    """The day an option names. Raises ConfigurationError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} must be a day such as {example}, was {text!r}"
        ) from None
