"""A million random invoices, by the product and by a calculator that shares no code with it: `make bench
BENCH=calculator`.

Prints one line of JSON and fails at the first invoice on which they differ, which it prints whole. Invoices
are as in `tests/domain/random_invoices.py`: all price models, overlapping filters, groups, limits, fees,
taxes, currencies of 0, 2 and 3 decimals. Each process draws its own, of seeds that no other draws.
"""

import argparse
import json
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tests.domain import calculator, random_invoices

CHUNK = 5_000


def compare(seed: int, invoices: int) -> tuple[int, dict[str, Any] | None]:
    """Return how many lines the invoices of a seed have, and the first invoice that differs, if any."""
    chance, lines = random.Random(seed), 0
    for _ in range(invoices):
        invoice = random_invoices.draw(chance)
        ours, theirs = random_invoices.by_product(invoice), calculator.invoice(invoice)
        if ours != theirs:
            return lines, {"seed": seed, "invoice": invoice, "product": ours, "calculator": theirs}
        lines += len(ours["lines"])
    return lines, None


def main() -> None:
    """Compare and print; exit with 1 where the two differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1_000, help="of the first chunk of 5,000; the next is +1")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    sizes = [min(CHUNK, asked.invoices - begun) for begun in range(0, asked.invoices, CHUNK)]
    begun, lines = time.perf_counter(), 0
    with ProcessPoolExecutor(asked.processes) as pool:
        seeds = range(asked.seed, asked.seed + len(sizes))
        for found, difference in pool.map(compare, seeds, sizes):
            lines += found
            if difference is not None:
                pool.shutdown(cancel_futures=True)
                sys.exit(json.dumps(difference))
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({"invoices": sum(sizes), "lines": lines, "different": 0, "seconds": seconds}))


if __name__ == "__main__":
    main()
