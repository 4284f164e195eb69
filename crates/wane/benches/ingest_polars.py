"""Reads, encodes and sorts a simulated log with Polars: the yardstick of benches/ingest.rs.

Called with the format and the path. Prints seconds and peak resident memory in MiB of this process; the import of
Polars is not in the time. Users and items become dense codes through categoricals, which is Polars' fastest way.
"""

import sys
import time

import polars as pl

form, path = sys.argv[1:3]
start = time.perf_counter()
log = pl.scan_parquet(path) if form == "parquet" else pl.scan_csv(path)
codes = [pl.col(name).cast(pl.Categorical).to_physical() for name in ("user_id", "item_id", "event_type")]
log = log.drop_nulls().with_columns(codes).sort("user_id", "timestamp", maintain_order=True).collect()
seconds = time.perf_counter() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024, log.height)
