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


def test_tables_are_kept_in_memory_unless_a_folder_is_given(tmp_path: Path) -> None:
    for rows in (["a"], ["a"]):
        service = azurite(tmp_path)
        assert insert(service, "a") == rows
        with pytest.raises(ResourceExistsError):
            insert(service, "a")
        service.stop()
        assert service.child.returncode == 0
    for row, rows in (("a", ["a"]), ("b", ["a", "b"])):
        service = azurite(tmp_path, "--location", str(tmp_path / "kept"))
        assert insert(service, row) == rows
        service.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_node_ends_with_its_parent_however_that_ends(tmp_path: Path, how: signal.Signals) -> None:
    service = azurite(tmp_path)
    assert answers(service)
    service.child.send_signal(how)
    service.reap()
    deadline = time.monotonic() + 5
    while answers(service) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(service)


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(NotReadyError, match=f"Azurite cannot use port {port}: Address already in use"):
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
