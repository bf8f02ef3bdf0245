import pytest

from circus_io import errors
from stim.stg.status import Status, device_error


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (0xE01F0010, errors.DeviceBusyError, PermissionError),
        (0xE01F0003, errors.DeviceNotFoundError, LookupError),
        (0xE01F0002, errors.DeviceNotFoundError, LookupError),
        (0xE01F0008, errors.DeviceRemovedError, ConnectionError),
        (0xE01F0007, errors.DeviceTimeoutError, TimeoutError),
        (0xE0100009, errors.UnderrunError, BufferError),
        (0xE010000D, errors.UnderrunError, BufferError),
        (0xE0100100, errors.DeviceMemoryError, MemoryError),
        (0xE0100300, errors.DeviceRefusedError, ValueError),
        (0xE01F0005, errors.DeviceRefusedError, ValueError),
    ],
)
def test_documented_codes_have_an_error_of_their_own(status, kind, builtin):
    error = device_error(status, "connect to STG4002")
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert error.status == status
    assert str(error).startswith("connect to STG4002: ")
    assert f"0x{status:08X}" in str(error)


def test_other_codes_say_what_the_assembly_says():
    error = device_error(0xE0110002, "start", "Unconfigured")
    assert type(error) is errors.DeviceError
    assert str(error) == "start: Unconfigured (status 0xE0110002)"


def test_every_code_but_success_has_a_meaning():
    for status in set(Status) - {Status.OK}:
        assert type(device_error(status, "x")) is not errors.DeviceError
