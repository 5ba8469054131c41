"""Was Steep started by a launcher of several processes? That it does not support yet."""

import os

from steep.errors import SteepError

SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def refuse_launchers() -> None:
    """Raises SteepError in a process that torchrun, mpirun or the like started beside others."""
    for name in SIZES:
        size = os.environ.get(name, "").strip()
        if size.isdecimal() and int(size) > 1:
            raise SteepError(
                f"Steep computes on one device and in one process, but {name} is {size}: start it "
                "without a launcher such as torchrun."
            )
