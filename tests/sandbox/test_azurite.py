"""Azurite as the app and the developer meet it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableServiceClient

from sandbox.process import NotReadyError, Service, start

ROOT = Path(__file__).parents[2]


def azurite(log: Path, *arguments: str) -> Service:
    return start("sandbox.azurite", *arguments, log=log / "log", cwd=ROOT)


def insert(service: Service, row: str) -> list[str]:
    """Put a row into a table and tell which rows are there."""
    with TableServiceClient.from_connection_string(service.url) as tables:
        table = tables.create_table_if_not_exists("rows")
        table.create_entity({"PartitionKey": "p", "RowKey": row})
        return sorted(entity["RowKey"] for entity in table.list_entities())


def answers(service: Service) -> bool:
    found = re.search(r"127\.0\.0\.1:(\d+)", service.url)
    assert found
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(found[1]))) == 0


def test_tables_are_saved_in_a_folder_however_it_ends_and_nobody_is_left(tmp_path: Path) -> None:
    kept = ("--location", str(tmp_path / "kept"))
    rows: list[str] = []
    for row, how in (("a", signal.SIGTERM), ("b", "the parent is gone"), ("c", signal.SIGINT)):
        service = azurite(tmp_path, *kept)
        rows.append(row)
        assert insert(service, row) == rows
        with pytest.raises(ResourceExistsError):
            insert(service, row)
        if isinstance(how, signal.Signals):
            service.child.send_signal(how)
        elif service.child.stdin:
            service.child.stdin.close()
        assert service.child.wait(8) == 0
        assert not answers(service)
        service.reap()


def test_without_a_folder_tables_are_kept_in_memory(tmp_path: Path) -> None:
    for _ in range(2):
        service = azurite(tmp_path)
        assert insert(service, "a") == ["a"]
        service.kill()


def test_a_second_signal_does_not_end_it_half_saved(tmp_path: Path) -> None:
    kept = ("--location", str(tmp_path / "kept"))
    service = azurite(tmp_path, *kept)
    insert(service, "a")
    service.child.send_signal(signal.SIGINT)
    while "is closing" not in service.log.read_text() and service.child.poll() is None:
        time.sleep(0.001)
    service.child.send_signal(signal.SIGINT)
    ended = service.child.wait(8)
    service.reap()
    assert ended in (0, -signal.SIGINT), "closed, by the second signal if it had saved by then"
    again = azurite(tmp_path, *kept)
    assert insert(again, "b") == ["a", "b"]
    again.kill()


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(NotReadyError, match=f"address already in use 127.0.0.1:{port}"):
            azurite(tmp_path, "--port", port)


def test_the_lock_file_names_no_registry_and_pins_azurite() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())
    version = wanted["dependencies"]["azurite"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert wanted["private"]
    assert lock["packages"]["node_modules/azurite"]["version"] == version
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def install(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make setup` calls, for a copy of the repository in `root`."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox.azurite", "--install"],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_installing_again_does_nothing_and_a_failure_is_told(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sandbox", tmp_path / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, tmp_path)
    nobody = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}
    cache = {"npm_config_cache": str(tmp_path / "cache")}
    failed = install(tmp_path, **nobody, **cache)
    assert failed.returncode == 1
    assert "npm ci failed" in failed.stderr
    assert "Traceback" not in failed.stderr
    (tmp_path / "node_modules").mkdir(exist_ok=True)
    shutil.rmtree(tmp_path / "node_modules")
    (tmp_path / "node_modules" / "azurite").mkdir(parents=True)
    shutil.copy(ROOT / "node_modules" / "azurite" / "package.json", tmp_path / "node_modules" / "azurite")
    again = install(tmp_path, **nobody, **cache)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
