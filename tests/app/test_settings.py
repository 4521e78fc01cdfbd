from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, get_settings

SOUND = {
    "database_url": "postgresql+psycopg://inet@localhost/inet",
    "redis_url": "redis://localhost:6379/0",
    "secret_key": "x" * 32,
}
PRODUCTION = SOUND | {
    "env": "production",
    "public_url": "https://portal.example.gm",
    "wave_base_url": "https://api.wave.com",
    "wave_api_key": "a-real-key",
    "wave_webhook_secret": "a-real-secret",
    "portabilling_url": "https://billing.example.gm",
    "portabilling_password": "a-real-password",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("INET_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_sound_settings_pass() -> None:
    Settings(**SOUND).check()  # type: ignore[arg-type]
    Settings(**PRODUCTION).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"database_url": ""}, "INET_DATABASE_URL"),
        ({"database_url": "mysql://x"}, "INET_DATABASE_URL"),
        ({"redis_url": ""}, "INET_REDIS_URL"),
        ({"secret_key": "short"}, "INET_SECRET_KEY"),
        ({"public_url": "http://portal.example.gm"}, "INET_PUBLIC_URL"),
        ({"wave_api_key": "sandbox-wave-key"}, "INET_WAVE_API_KEY"),
        ({"wave_webhook_secret": ""}, "INET_WAVE_WEBHOOK_SECRET"),
        ({"portabilling_password": "sandbox-portabilling"}, "INET_PORTABILLING_PASSWORD"),
        ({"portabilling_url": "http://billing.example.gm"}, "INET_PORTABILLING_URL"),
        ({"password_memory_kib": "65535"}, "INET_PASSWORD_MEMORY_KIB"),
    ],
)
def test_production_refuses_to_start_and_names_what_is_wrong(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings(**(PRODUCTION | wrong)).check()  # type: ignore[arg-type]


def test_a_value_of_the_wrong_kind_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INET_ROLES", "portal,kitchen")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match=r"INET_ROLES .*not kitchen") as refusal:
        get_settings()
    assert "\n" not in str(refusal.value)
    monkeypatch.undo()
    get_settings.cache_clear()


def test_secrets_never_show_in_a_repr() -> None:
    assert "x" * 32 not in repr(Settings(**SOUND))  # type: ignore[arg-type]


def test_what_stands_empty_in_the_file_is_not_set_up(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INET_IMAP_URL=\nINET_EMAIL_URL=\nINET_SMS_URL=\nINET_BACKUP_DIR=\nINET_QUIET_HOURS=\n")
    found = Settings(**SOUND)  # type: ignore[arg-type]
    assert (found.imap_url, found.email_url, found.sms_url, found.backup_dir) == (None, None, None, None)
    assert found.quiet_hours == ""
