"""Tokens per second of llama.cpp on the text and the model of `decode.rs`.

    pip install llama-cpp-python        compiles C++ where there is no wheel
    python decode.py MODEL.gguf [THREADS]
"""

import statistics
import sys
import time

from llama_cpp import Llama

ROUNDS, STEPS = 5, 64
TEXT = "Interest in tea is rising, with 9 days in the last month after 2 in the month before. " * 20

threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
model = Llama(sys.argv[1], n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
tokens = model.tokenize(TEXT.encode(), add_bos=False)
read, written = [], []
for _ in range(ROUNDS):
    model.reset()
    start = time.perf_counter()
    model.eval(tokens)
    read.append(len(tokens) / (time.perf_counter() - start))
    start = time.perf_counter()
    for _ in range(STEPS):
        model.eval([model.sample(temp=0.0)])
    written.append(STEPS / (time.perf_counter() - start))
print(f"read at once {statistics.median(read):7.1f} tokens/s")
print(f"one by one   {statistics.median(written):7.1f} tokens/s")
print(f"{len(tokens)} tokens read, {STEPS} written, medians of {ROUNDS}")
