"""Why a back-up or a restore did not come about. Each message is one line that a person can act on."""

from __future__ import annotations

from pathlib import Path


class BackupFailed(Exception):
    """It was not made, or does not stand up to its check."""


class BackupRunning(BackupFailed):
    def __init__(self) -> None:
        super().__init__("Another back-up or restore of this database is under way; wait until it has ended.")


class Refuted(BackupFailed):
    """It was restored and is not what was backed up."""


class NotProven(BackupFailed):
    """It is written and kept, but whether it can be restored was not found out."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is written and kept, but not proven: {why}")


class NotABackup(BackupFailed):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is no back-up of INET, or its beginning is damaged.")


class WrongKey(BackupFailed):
    """Sealed with a key that is not configured here."""

    def __init__(self, wanted: str, source: str) -> None:
        super().__init__(
            f"This back-up was sealed with another key (key id {wanted}, from {source}): set {source} to the value of that time"
            " (for INET_SECRET_KEY, INET_SECRET_KEY_PREVIOUS will do)."
        )


class Damaged(BackupFailed):
    """Truncated, changed, or put together in another order."""

    def __init__(self, what: str) -> None:
        super().__init__(f"This back-up cannot be used: {what}. Take another one.")


class RestoreRefused(BackupFailed):
    """Nothing was changed."""
