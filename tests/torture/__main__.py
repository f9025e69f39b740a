"""The long run: `python -m tests.torture [--seed N] [--web 50] [--workers 50] …`."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from random import randrange

from tests.torture.fire import torture

COUNTS = {"web": 50, "workers": 50, "postgres": 10, "redis": 10}


def main() -> int:
    """Torture the product and print what was found; the seed repeats the order of the injuries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=randrange(10**6))
    for name, count in COUNTS.items():
        parser.add_argument(
            f"--{name}", type=int, default=count, metavar="N", help=f"{name}: how often (%(default)s)"
        )
    options = parser.parse_args()
    counts = {name: getattr(options, name) for name in COUNTS}
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="otpless-torture-") as directory:
        Path(directory).chmod(0o755)
        report = torture(Path(directory), counts, seed=options.seed, say=lambda line: print(line, flush=True))
    print(json.dumps(report.as_json()))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
