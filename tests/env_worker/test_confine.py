"""What the process of an env is denied."""

from __future__ import annotations

import pytest

from env_worker.confine import to_bytes, without_secrets

URL = "amqp://owner:s3cret%21@broker:5672/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("512M", 512 * 2**20), ("2g", 2 * 2**30), ("3GiB", 3 * 2**30), ("4KB", 4096), (" 1T ", 2**40)],
)
def test_bytes_are_read_with_their_unit(text, expected):
    assert to_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "-1M", "1.5G", "0", "0M", "5X", "M", "٣M"])
def test_what_is_no_number_of_bytes_is_refused(text):
    with pytest.raises(ValueError, match="--memory-limit: expected bytes, such as 512M or 2G, got"):
        to_bytes(text)


@pytest.mark.parametrize("name", ["GYMBROKER_URL", "OTHER"])
@pytest.mark.parametrize("value", [URL, f"url={URL}", "s3cret!", "s3cret%21", "amqp://owner:s3cret%21@elsewhere/"])
def test_a_variable_that_has_the_url_or_the_password_is_left_out(name, value):
    assert without_secrets({name: value, "HOME": "/home/owner"}, URL) == {"HOME": "/home/owner"}


def test_other_variables_stay_also_where_the_password_is_a_common_word():
    variables = {"PATH": "/home/guest/bin", "LOGNAME": "somebody"}
    assert without_secrets(variables, "amqp://guest:guest@localhost:5672/") == variables
    assert without_secrets(variables, "memory://x") == variables
