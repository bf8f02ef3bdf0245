"""`Guardian`: the process that stops the stimulator behind MEAME after a kill."""

from stim import guardian

__all__ = ["Guardian"]

PROGRAM = "circus_live.speaker.watch"


class Guardian(guardian.Guardian):
    """Starts the process, and dismisses it; see `stim.guardian.Guardian`.

    Parameters
    ----------
    host : str
    port : int
        Of the commands of the MEAME server.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(PROGRAM, [host, str(port)])
