"""`SerialComm`: the communicator of one rank, without MPI."""

from typing import Any

import numpy as np

__all__ = ["SerialComm"]


class SerialComm:
    """The communicator of one rank: each collective returns what went in.

    Holds the names of ``mpi4py.MPI.Comm`` that file wrappers and steps use; reduction
    operators are accepted and, over one rank, have nothing to do.
    """

    rank = 0
    size = 1

    def Get_rank(self) -> int:  # noqa: N802 -- mpi4py's name
        """Return 0."""
        return 0

    def Get_size(self) -> int:  # noqa: N802
        """Return 1."""
        return 1

    def Barrier(self) -> None:  # noqa: N802
        """Wait for nobody."""

    barrier = Barrier

    def bcast(self, obj: Any, root: int = 0) -> Any:
        """Return `obj`."""
        return obj

    def Bcast(self, buf: Any, root: int = 0) -> None:  # noqa: N802
        """Leave `buf` as it is."""

    def gather(self, sendobj: Any, root: int = 0) -> list[Any]:
        """Return ``[sendobj]``."""
        return [sendobj]

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return ``[sendobj]``."""
        return [sendobj]

    def alltoall(self, sendobj: list[Any]) -> list[Any]:
        """Return the one item, which this rank sends to itself."""
        return list(sendobj)

    def scatter(self, sendobj: list[Any], root: int = 0) -> Any:
        """Return the only item of `sendobj`."""
        (item,) = sendobj
        return item

    def reduce(self, sendobj: Any, op: Any = None, root: int = 0) -> Any:
        """Return `sendobj`."""
        return sendobj

    def allreduce(self, sendobj: Any, op: Any = None) -> Any:
        """Return `sendobj`."""
        return sendobj

    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: Any = None) -> None:  # noqa: N802
        """Copy `sendbuf` into `recvbuf`."""
        np.copyto(recvbuf, sendbuf, casting="no")

    def Abort(self, errorcode: int = 1) -> None:  # noqa: N802
        """Raise SystemExit: with one rank there is nobody else to end."""
        raise SystemExit(errorcode)

    def __repr__(self) -> str:
        return "SerialComm()"
