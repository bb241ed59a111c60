"""Effective times: when a row counts as known, whatever its own clock says."""

import numpy as np
from numba import njit

from domain.batch import Batch


def set_effective_times(batch: Batch, watermark: int) -> int:
    """Fill `t_eff` of every row and `batch.watermark`; returns the new watermark, ns.

    `watermark` is the partition's before this batch. In stored order, each row's `t_eff` is
    the newest of its `ts_event`, every earlier row's, every clock message stored before it
    (which a source leaves in `t_eff`, else NO_TIME) and `watermark`. `batch.watermark` holds
    the newest clock of the batch when given, and afterwards what no later row lies before.
    Market rows and events of one batch are counted apart. A second call changes nothing.
    """
    newest = max(watermark, batch.watermark)
    for rows in (batch.market, batch.events):
        if len(rows):
            newest = max(newest, int(_accumulate(rows["ts_event"], rows["t_eff"], watermark)))
    batch.watermark = newest
    return newest


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(ts: np.ndarray, t_eff: np.ndarray, watermark: int) -> np.int64:
    newest = np.int64(watermark)
    for i in range(ts.shape[0]):
        newest = max(newest, ts[i], t_eff[i])
        t_eff[i] = newest
    return newest
