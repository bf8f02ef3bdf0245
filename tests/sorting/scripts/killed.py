"""``circus`` with one rank that is killed inside of a step, as by ``kill -9``.

::

    mpiexec -n 2 python killed.py PLACE RANK sort recording.dat ...
"""

import os
import signal
import sys
from dataclasses import replace

import numpy as np

from circus_cli.main import main
from circus_io.parallel import launched_rank
from sorting import results
from sorting.kernels import spikes
from sorting.pipeline import STEPS
from sorting.steps import merging


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_first_item(step):
    """Die when the first chunk or channel of this rank is done."""
    original = STEPS[step]

    def progress(done, total):
        if done:
            die()

    STEPS[step] = lambda context: original(replace(context, progress=progress))


def die_after_call(step, module, name, which):
    """Die at the end of the n-th call of a function after a step has begun."""
    original_step, original = STEPS[step], getattr(module, name)
    calls = []

    def counting(*arguments, **keywords):
        calls.append(name)
        value = original(*arguments, **keywords)
        return die() if len(calls) == which else value

    def run(context):
        setattr(module, name, counting)
        return original_step(context)

    STEPS[step] = run


PLACES = {
    # no loop over chunks: between two kernels; in the midst of the files for phy
    "merging": lambda: die_after_call("merging", merging, "_count", 1),
    "converting": lambda: die_after_call("converting", np, "save", 5),
    # in the midst of a file of rank 0: of a step, of a channel's peaks, of the result
    "file of whitening": lambda: die_after_call(
        "whitening", np.lib.format, "write_array", 2
    ),
    "file of peaks": lambda: die_after_call("detection", np, "savez", 2),
    "file of detection": lambda: die_after_call(
        "detection", np.lib.format, "write_array", 1
    ),
    "file of fitting": lambda: die_after_call("fitting", spikes, "drop_duplicates", 1),
    "result": lambda: die_after_call("merging", results, "_write_dataset", 8),
}


if __name__ == "__main__":
    place, rank, *arguments = sys.argv[1:]
    if launched_rank() == int(rank):
        PLACES.get(place, lambda: die_after_first_item(place))()
    sys.exit(main(arguments))
