"""Texts per second of `wane encode` beside sentence-transformers and ONNX Runtime, with the same weights, texts and threads.

    pip install sentence-transformers onnxruntime onnx pyarrow
    python peers.py WANE MODEL_FOLDER WORDLLAMA_FOLDER CATALOGUE.csv[.gz] [--texts N] [--threads 2] [--rounds 3]

- Texts: the column `title` of a catalogue, each different one once, shuffled by a fixed seed. Wane is timed as a command: start,
  reading of weights, tokens, vectors and a table written. The peers have their weights loaded already. All sort by length.
- By turns, `--rounds` times; printed are medians, and the smallest cosine of Wane's vectors to those of sentence-transformers.
- The static table encodes 200,000 texts: the titles, each with a number behind it.
"""

import argparse
import csv
import gzip
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("wane", "model", "wordllama", "catalogue"):
    parser.add_argument(name)
for name, usual in (("--texts", 4_000), ("--threads", 2), ("--rounds", 3)):
    parser.add_argument(name, type=int, default=usual)
args = parser.parse_args()
threads = str(args.threads)
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=threads, RAYON_NUM_THREADS=threads, TOKENIZERS_PARALLELISM="true")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

BATCH = 32
torch.set_num_threads(args.threads)
work = Path(tempfile.mkdtemp())


def titles():
    opened = gzip.open if args.catalogue.endswith(".gz") else open
    with opened(args.catalogue, "rt", encoding="utf-8") as file:
        found = sorted({row["title"].strip() for row in csv.DictReader(file) if (row["title"] or "").strip()})
    random.Random(1).shuffle(found)
    return found[: args.texts]


class Pooled(torch.nn.Module):
    """A network with mean pooling."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, ids, mask):
        rows = self.network(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        return torch.nn.functional.normalize(rows.sum(1), dim=1)


def onnx_session(network):
    network.eval()
    network.set_attn_implementation("eager")
    ids, path = torch.ones(2, 8, dtype=torch.long), str(work / "model.onnx")
    axes = {"ids": {0: "texts", 1: "tokens"}, "mask": {0: "texts", 1: "tokens"}, "vectors": {0: "texts"}}
    names = dict(input_names=["ids", "mask"], output_names=["vectors"], dynamic_axes=axes)
    torch.onnx.export(Pooled(network), (ids, torch.ones_like(ids)), path, dynamo=False, opset_version=17, **names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def by_onnx(session, tokenizer, texts):
    order = sorted(range(len(texts)), key=lambda text: -len(texts[text]))
    for start in range(0, len(order), BATCH):
        tokens = tokenizer.encode_batch([texts[text] for text in order[start : start + BATCH]])
        ids, mask = (np.array([getattr(own, part) for own in tokens]) for part in ("ids", "attention_mask"))
        session.run(None, {"ids": ids, "mask": mask})


def by_wane(texts, encoder, *more):
    table, out = work / "texts.csv", work / "vectors.parquet"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "title"])
        writer.writerows(enumerate(texts))
    out.unlink(missing_ok=True)
    command = [args.wane, "encode", str(table), "--encoder", encoder, "--template", "{title}", "--out", str(out), *more]
    took = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    return took, parquet.read_table(out)


def timed(work_on):
    start = time.perf_counter()
    work_on()
    return time.perf_counter() - start


def cosine(table, reference):
    order = [int(item) for item in table["item_id"].to_pylist()]
    vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)
    return float((vectors * reference[order]).sum(1).min())


def main():
    texts = titles()
    many = [f"{texts[place % len(texts)]} {place}" for place in range(200_000)]
    model = SentenceTransformer(args.model, device="cpu")
    reference = model.encode(texts, batch_size=BATCH)
    session = onnx_session(model[0].auto_model)
    tokenizer = Tokenizer.from_file(f"{args.model}/tokenizer.json")
    tokenizer.enable_truncation(model.max_seq_length)
    tokenizer.enable_padding()
    speeds, cosines = {}, {}
    for _ in range(args.rounds):
        took = {
            "sentence-transformers": timed(lambda: model.encode(texts, batch_size=BATCH)),
            "ONNX Runtime": timed(lambda: by_onnx(session, tokenizer, texts)),
        }
        for name, more in (("wane", []), ("wane --int8", ["--int8"])):
            took[name], table = by_wane(texts, args.model, *more)
            cosines[name] = cosine(table, reference)
        for name, seconds in took.items():
            speeds.setdefault(name, []).append(len(texts) / seconds)
        speeds.setdefault("wane, static table", []).append(len(many) / by_wane(many, args.wordllama)[0])
    tokens = np.mean([sum(own.attention_mask) for own in tokenizer.encode_batch(texts)])
    print(f"{len(texts)} texts of {tokens:.1f} tokens, {threads} threads, medians of {args.rounds}")
    for name, found in speeds.items():
        least = f"cosine at least {cosines[name]:.6f}" if name in cosines else ""
        print(f"{name:22} {statistics.median(found):9.0f} texts/s  {least}")


main()
