"""Fits a Weibull law with lifelines: the yardstick of benches/survival.rs.

Called with a file of pairs of 64-bit integers, length in milliseconds and whether it ended with an event. Prints seconds, then
parameters with their standard errors.
"""

import sys
import time

import numpy as np
from lifelines import WeibullFitter

pairs = np.fromfile(sys.argv[1], dtype="<i8").reshape(-1, 2)
days, seen = pairs[:, 0] / 86_400_000, pairs[:, 1] == 1
start = time.perf_counter()
fitter = WeibullFitter().fit(days, seen)
seconds = time.perf_counter() - start
summary = fitter.summary
print(f"{seconds:.4f} s ", [(round(float(row["coef"]), 8), round(float(row["se(coef)"]), 8)) for _, row in summary.iterrows()])
