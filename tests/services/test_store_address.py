"""Where the store is and how it is known: what is wrong is said at the start, and nothing falls back to less."""

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu.exceptions
import pytest
import redis

from convscope.services.all_in_one.settings import AllSettings
from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.errors import StoreMisnamed
from convscope.services.common.jobs.messages import Messages, celery_app
from convscope.services.common.settings import LOCAL_STORE
from convscope.services.common.store import connect
from convscope.services.common.store_address import StoreAddress
from convscope.services.jobs.settings import JobsSettings
from convscope.workers.settings import WorkerSettings
from tests.certificates import Certificates, make_certificates
from tests.encrypted_front import HANDSHAKE, EncryptedFront
from tests.processes import JobsProcess, LastingStore, ServerProcess
from tests.services.starts import assert_cannot_start
from tests.workers.jobs_cluster import WorkerProcess

PASSWORD = "swordfish"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LastingStore]:
    store = LastingStore(tmp_path_factory.mktemp("store"), password=PASSWORD)
    store.start()
    yield store
    store.kill()


@pytest.fixture
def front(store: LastingStore, certificates: Certificates) -> Iterator[EncryptedFront]:
    with EncryptedFront(store.port, certificates) as front:
        yield front


def ask(address: StoreAddress) -> None:
    """As servers and workers ask it. Raises redis.ConnectionError."""
    with connect(address) as client:
        assert client.ping()


def send(address: StoreAddress) -> None:
    """As messages go to workers. Raises kombu.exceptions.OperationalError."""
    with connect(address) as client:
        Messages(celery_app(address), client).send("deep_dream")


WAYS: dict[str, Callable[[StoreAddress], None]] = {"store": ask, "broker": send}
REFUSALS = (redis.ConnectionError, kombu.exceptions.OperationalError)


@pytest.mark.parametrize("way", WAYS)
def test_both_sides_show_a_certificate(way: str, front: EncryptedFront, certificates: Certificates) -> None:
    pair = certificates.path("client.pem"), certificates.path("client.key")
    WAYS[way](StoreAddress(front.url(PASSWORD), certificates.path("ca.pem"), *pair))
    assert front.let_in
    assert set(front.first_bytes) == {HANDSHAKE}


@pytest.mark.parametrize("way", WAYS)
def test_an_authority_of_the_system_is_believed(
    way: str, store: LastingStore, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.path("ca.pem")))
    with EncryptedFront(store.port, certificates, wants=None) as front:
        WAYS[way](StoreAddress(front.url(PASSWORD)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_store_of_another_name_is_not_believed(
    way: str, host: str, store: LastingStore, certificates: Certificates
) -> None:
    with EncryptedFront(store.port, certificates, shows="elsewhere", wants=None) as front:
        with pytest.raises(REFUSALS, match=r"(?i)hostname mismatch|ip address mismatch"):
            WAYS[way](StoreAddress(front.url(PASSWORD, host=host), certificates.path("ca.pem")))
        assert front.let_in == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ca", ["stranger.pem", None], ids=["another authority", "none"])
def test_a_store_that_nobody_known_has_signed_is_not_believed(
    way: str, ca: str | None, front: EncryptedFront, certificates: Certificates
) -> None:
    address = StoreAddress(front.url(PASSWORD), certificates.path(ca) if ca else None)
    with pytest.raises(REFUSALS, match="CERTIFICATE_VERIFY_FAILED"):
        WAYS[way](address)
    assert front.let_in == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "said"), [(None, "certificate required"), ("unknown", "unknown ca")], ids=["none", "a stranger's"]
)
def test_the_store_does_not_believe_who_shows_no_certificate_of_its_authority(
    way: str, name: str | None, said: str, front: EncryptedFront, certificates: Certificates
) -> None:
    pair = (certificates.path(f"{name}.pem"), certificates.path(f"{name}.key")) if name else ()
    with pytest.raises(REFUSALS, match=said):
        WAYS[way](StoreAddress(front.url(PASSWORD), certificates.path("ca.pem"), *pair))
    assert front.let_in == 0


def test_a_store_that_speaks_no_tls_is_not_told_the_password(store: LastingStore, certificates: Certificates) -> None:
    # It waits for the end of what it takes for a command.
    with pytest.raises(redis.TimeoutError, match="Timeout connecting"):
        ask(StoreAddress(f"rediss://:{PASSWORD}@localhost:{store.port}/0", certificates.path("ca.pem")))


def test_a_password_may_hold_any_character(tmp_path: Path) -> None:
    store = LastingStore(tmp_path, password="a%/?#@: b")
    store.url = f"redis://:a%25%2F%3F%23%40%3A%20b@127.0.0.1:{store.port}/0"
    store.start()
    try:
        for way in WAYS.values():
            way(StoreAddress(store.url))
    finally:
        store.kill()


@pytest.mark.parametrize(
    "url",
    [
        "nothing://127.0.0.1:1/0",
        "127.0.0.1:6379",
        "unix:///run/store",
        "redis://",
        "redis://:mack/erel@store:6379/0",
        "redis://:mack?erel@store:6379/0",
        "redis://:mack#erel@store:6379/0",
        "redis://:[mack@store:6379/0",
        "redis://:mack@store:port/0",
        "redis://:mack@store:70000/0",
        "redis://:mack@store:0/0",
        "redis://user:12/mack@store",
        "redis://:mack@store/zero",
        "rediss://:mack@store/0?ssl_cert_reqs=none",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreMisnamed, match="redis_url") as error:
        StoreAddress(url)
    assert "mack" not in str(error.value)
    assert "erel" not in str(error.value)
    assert error.value.__cause__ is None


WRONG_FILES: dict[str, tuple[dict[str, str], str]] = {
    "no such authority": ({"ca": "none.pem"}, r"redis_tls_ca: .*none\.pem cannot be read"),
    "no such certificate": ({"certificate": "none.pem", "key": "client.key"}, r"redis_tls_certificate: .*none\.pem"),
    "no such key": ({"certificate": "client.pem", "key": "none.key"}, r"redis_tls_key: .*none\.key"),
    "no key": ({"certificate": "client.pem"}, "go together"),
    "no certificate": ({"key": "client.key"}, "go together"),
    "an authority that is none": ({"ca": "rubbish.pem"}, r"redis_tls_ca: .*rubbish\.pem holds no certificate"),
    "a certificate that is none": ({"certificate": "rubbish.pem", "key": "client.key"}, "redis_tls_certificate"),
    "another's key": ({"certificate": "client.pem", "key": "server.key"}, "redis_tls_certificate"),
    "a key behind a password": ({"certificate": "client.pem", "key": "locked.key"}, "redis_tls_certificate"),
}


@pytest.mark.parametrize(("files", "said"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_files_that_are_wrong_are_said(files: dict[str, str], said: str, certificates: Certificates) -> None:
    with pytest.raises(StoreMisnamed, match=said):
        StoreAddress("rediss://store:6379/0", **{name: certificates.path(file) for name, file in files.items()})


def test_certificates_do_not_go_with_an_address_that_encrypts_nothing(certificates: Certificates) -> None:
    with pytest.raises(StoreMisnamed, match="rediss://"):
        StoreAddress("redis://store:6379/0", certificates.path("ca.pem"))


def test_old_versions_are_not_spoken() -> None:
    assert StoreAddress("rediss://store:6379/0").tls()["ssl_min_version"] == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("kind", [AttributionSettings, JobsSettings, WorkerSettings])
def test_the_address_may_lie_in_a_file(
    kind: type[AttributionSettings | JobsSettings | WorkerSettings], tmp_path: Path
) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:mack@store:6379/3\n")
    settings = kind(redis_url_file=file)
    assert settings.has_store
    assert settings.store().url == "redis://:mack@store:6379/3"
    assert "mack" not in repr(settings.store())
    assert "mack" not in repr(kind(redis_url="redis://:mack@store:6379/3"))


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("\n", "is empty"), ("\xff", "is no text"), (":mack", "must be redis://")],
)
def test_a_file_that_holds_no_address_is_refused(text: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreMisnamed, match=re.escape(said)) as error:
        WorkerSettings(redis_url_file=file).store()
    assert "mack" not in str(error.value)


def test_two_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redis_url_file"):
        WorkerSettings(redis_url="redis://store", redis_url_file=tmp_path / "url")


@pytest.mark.parametrize("program", [ServerProcess, JobsProcess, WorkerProcess])
def test_a_program_whose_file_is_not_there_says_so_and_ends(program: type[ServerProcess], tmp_path: Path) -> None:
    settings = {"redis_url": "rediss://:mack@store:6379/0", "redis_tls_ca": tmp_path / "none.pem", "models": ""}
    process = program(**settings)
    assert_cannot_start(process, "redis_tls_ca", "none.pem")
    assert not any("mack" in line for line in process.log)


@pytest.mark.parametrize("kind", [JobsSettings, AllSettings, WorkerSettings])
def test_who_needs_a_store_looks_for_it_on_this_machine(
    kind: type[JobsSettings | AllSettings | WorkerSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVSCOPE_REDIS_URL", raising=False)
    assert kind().store().url == LOCAL_STORE
    assert not AttributionSettings().has_store
