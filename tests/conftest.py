"""What every test stands on.

Compiled kernels are kept per state of the sources, as the command does, so none is stale.
Examples have no time limit: a busy machine is not a defect.
"""

import sys

from hypothesis import settings

from runtime.kernels import use_kernel_cache

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

if "numba" not in sys.modules:
    use_kernel_cache()
