"""Every error the toolkit raises on purpose.

::

    CircusError
    ├── FormatError (ValueError)             unknown format, broken or truncated header
    ├── RecordingNotFoundError (FileNotFoundError)
    ├── MissingParameterError (ValueError)   a format needs keys that were not given
    ├── ParameterError (ValueError)          problems of a parameter file, all at once
    ├── ProbeError (ValueError)             probe file refused, or of another recording
    ├── StreamError (ValueError)             unknown stream mode, or no run of files
    ├── NotWritableError (PermissionError)   the format or the open mode does not write
    ├── ChunkError (IndexError)              chunk or frames outside of the recording
    ├── MissingDependencyError (ImportError) names the extra to install
    ├── LaunchError (RuntimeError)           MPI was not started as asked
    ├── DeviceError (ConnectionError)        a device or its server fails
    │   ├── DeviceBusyError (PermissionError)    another program has it
    │   ├── DeviceMemoryError (MemoryError)      more than fits into it
    │   ├── DeviceNotFoundError (LookupError)    it is not plugged in
    │   ├── DeviceRefusedError (ValueError)      it refuses a value, or cannot do it
    │   ├── DeviceRemovedError                   it was unplugged
    │   ├── DeviceTimeoutError (TimeoutError)    it does not answer in time
    │   ├── StimulatorStateError (RuntimeError)  started twice, or not at all
    │   └── UnderrunError (BufferError)          samples came too late to be put out
    ├── SafetyError (ValueError)             a stimulus beyond what is allowed
    ├── ResultError (ValueError)             a result file is absent, foreign or partial
    ├── StepError (RuntimeError)             a sorting step failed
    └── LiveError (RuntimeError)             a live flow cannot go on
        ├── EndOfStreamError (EOFError)      the stream has ended, in order
        ├── MemberDiedError                  a process of the flow was killed
        ├── OverrunError (BufferError)       a reader that may lose nothing is too slow
        ├── ServiceError                     a service raised; with its traceback
        └── SourceError (ConnectionError)    the source cannot give what was asked for
            ├── ConnectIgnoredError             another client's settings are in force
            ├── RateRefusedError                it samples at another rate than asked
            ├── SegmentLengthError              its segments have another length
            └── StreamStalledError (TimeoutError)   it is connected, and silent

Each is also the builtin that a caller would expect to catch, and carries the exit
status that the command line gives for it: 2 usage, 3 input, 4 a step or a flow failed.
"""

__all__ = [
    "ChunkError",
    "CircusError",
    "ConnectIgnoredError",
    "DeviceBusyError",
    "DeviceError",
    "DeviceMemoryError",
    "DeviceNotFoundError",
    "DeviceRefusedError",
    "DeviceRemovedError",
    "DeviceTimeoutError",
    "EndOfStreamError",
    "FormatError",
    "LaunchError",
    "LiveError",
    "MemberDiedError",
    "MissingDependencyError",
    "MissingParameterError",
    "NotWritableError",
    "OverrunError",
    "ParameterError",
    "ProbeError",
    "RateRefusedError",
    "RecordingNotFoundError",
    "ResultError",
    "SafetyError",
    "SegmentLengthError",
    "ServiceError",
    "SourceError",
    "StepError",
    "StimulatorStateError",
    "StreamError",
    "StreamStalledError",
    "UnderrunError",
]


class CircusError(Exception):
    """Base of all errors of the toolkit; catch this one to catch them all."""

    exit_status = 3


class FormatError(CircusError, ValueError):
    """The format is unknown, or the file is not what its format says."""


class RecordingNotFoundError(CircusError, FileNotFoundError):
    """There is no file at the path that was given."""


class MissingParameterError(CircusError, ValueError):
    """A file format needs parameters that were not given."""


class ParameterError(CircusError, ValueError):
    """A parameter file has problems; the message lists every one of them."""


class ProbeError(CircusError, ValueError):
    """A probe file cannot be read safely, or does not fit the recording."""


class StreamError(CircusError, ValueError):
    """The stream mode is not one of the format, or finds no files."""


class NotWritableError(CircusError, PermissionError):
    """The format, or the mode in which the file was opened, does not write."""


class ChunkError(CircusError, IndexError):
    """A chunk index or a range of frames lies outside of the recording."""


class MissingDependencyError(CircusError, ImportError):
    """An optional library is absent; the message names the extra that brings it."""


class LaunchError(CircusError, RuntimeError):
    """The MPI ranks that run are not the ones that were asked for."""

    exit_status = 2


class DeviceError(CircusError, ConnectionError):
    """A device or its server cannot be reached, does not answer, or refuses."""


class DeviceBusyError(DeviceError, PermissionError):
    """Another program has the device; one at a time can."""


class DeviceMemoryError(DeviceError, MemoryError):
    """More was asked to be stored than there is memory in the device."""


class DeviceNotFoundError(DeviceError, LookupError):
    """The device that was asked for is not plugged in."""


class DeviceRefusedError(DeviceError, ValueError):
    """A device refuses a value, or is of a model that cannot do what was asked."""


class DeviceRemovedError(DeviceError):
    """A device was unplugged while it was in use."""


class DeviceTimeoutError(DeviceError, TimeoutError):
    """A device does not answer within the time of its driver."""


class StimulatorStateError(DeviceError, RuntimeError):
    """A stimulator cannot do this now: it is running, or not, or closed."""


class UnderrunError(DeviceError, BufferError):
    """Samples came too late: the device had none to put out."""


class SafetyError(CircusError, ValueError):
    """A stimulus is beyond what the limits allow; nothing of it was sent."""


class ResultError(CircusError, ValueError):
    """A result file is absent, from another program, or incomplete."""


class StepError(CircusError, RuntimeError):
    """A sorting step could not finish."""

    exit_status = 4


class LiveError(CircusError, RuntimeError):
    """A live flow cannot go on; base of all errors of `circus_live`."""

    exit_status = 4


class EndOfStreamError(LiveError, EOFError):
    """The stream has ended in order, and all of it was delivered."""


class MemberDiedError(LiveError):
    """A process of the flow ended without a word: it was killed, or it crashed."""


class OverrunError(LiveError, BufferError):
    """A reader whose policy is ``error`` was too slow for its stream."""


class ServiceError(LiveError):
    """A service raised an exception; its traceback is part of the message."""


class SourceError(LiveError, ConnectionError):
    """A source cannot connect, or cannot give what was asked for."""


class ConnectIgnoredError(SourceError):
    """A server that was running goes on with the settings of another client."""


class RateRefusedError(SourceError):
    """A device samples at another rate than it was asked to."""


class SegmentLengthError(SourceError):
    """The segments of a stream have another length than was asked for."""


class StreamStalledError(SourceError, TimeoutError):
    """A source is connected, but no sample comes any more."""
