"""Programs are run with secrets under the loudest conditions, and everything that they say is searched for them."""

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import grpc
import pytest
import redis
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from convscope.client import Client
from convscope.client.channel import Tls
from convscope.client.errors import ClientError
from tests.certificates import Certificates, make_certificates
from tests.processes import LastingStore, free_port, wait_until
from tests.services.calls import SECONDS, Stubs
from tests.services.held import NETWORKS, cursed, entry
from tests.workers.jobs_cluster import ENTRY, TEAM

PASSWORD, NEXT_PASSWORD = "swordfish/of the store", "herring/of the store"
TOKEN, PAGE_TOKEN, WRONG_TOKEN = "sesame-of-the-team", "sesame-of-the-page", "sesame-of-nobody"
SERVER, JOBS, WORKER, PAGE = (
    f"convscope.{name}" for name in ("services.all_in_one", "services.jobs", "workers", "web")
)


def forms(secret: str) -> set[str]:
    """How it may be written."""
    data = secret.encode()
    return {secret, quote(secret, safe=""), base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()}


def key_lines(certificates: Certificates) -> set[str]:
    """Of the server's key, without those that all keys have."""
    return {line for line in certificates.path("server.key").read_text().splitlines() if not line.startswith("-")}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secrets(certificates: Certificates) -> set[str]:
    # What stands before a "/" is what a URL's reader would take for a port.
    parts = (PASSWORD.partition("/")[0], NEXT_PASSWORD.partition("/")[0])
    told = (PASSWORD, NEXT_PASSWORD, *parts, TOKEN, PAGE_TOKEN, WRONG_TOKEN)
    return {form for secret in told for form in forms(secret)} | key_lines(certificates)


def leaks(secrets: set[str], texts: Mapping[str, str]) -> list[str]:
    """Where which secret stands."""
    return [f"{where}: {secret}" for where, text in texts.items() for secret in sorted(secrets) if secret in text]


class Loud:
    """`python -m` a program, of which every word is kept."""

    def __init__(self, module: str, folder: Path, *options: str, **settings: object) -> None:
        self._output = folder / f"{module}-{free_port()}.output"
        self.metrics_port = free_port()
        given = {"metrics_port": self.metrics_port, "log_level": "debug", "log_format": "json", "port": 0, **settings}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
        environment |= {f"CONVSCOPE_{name.upper()}": str(value) for name, value in given.items()}
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *options], stdout=file, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_to_say(self, words: str) -> None:
        wait_until(lambda: words in self.said or self.process.poll() is not None, f"{words!r}", timeout=90)
        assert words in self.said, self.said

    def metrics(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as page:
            return str(page.read().decode())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def test_a_secret_that_is_said_is_found(secrets: set[str]) -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    for text in (f"told {PASSWORD}", f"redis://:{quote(PASSWORD, safe='')}@store", digest):
        assert leaks(secrets, {"log": text})
    assert not leaks(secrets, {"log": "redis://:**@store, Bearer"})


Settings = Callable[[Certificates, Path], dict[str, object]]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def callers(folder: Path, line: str) -> Path:
    return written(folder, "callers.toml", f'[[callers]]\nname = "team"\n{line}\n')


URL = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:1/0"
# Each makes a program end at once, with a secret in what is wrong.
FAILING: dict[str, tuple[tuple[str, ...], Settings]] = {
    "a password that ends the address": (
        (SERVER, JOBS, WORKER),
        lambda files, folder: {"redis_url": f"redis://:{PASSWORD}@store:6379/0"},
    ),
    "options in the address": ((JOBS, WORKER), lambda files, folder: {"redis_url": URL + "?ssl_cert_reqs=none"}),
    "no scheme": ((JOBS, WORKER), lambda files, folder: {"redis_url": PASSWORD}),
    "two addresses": (
        (JOBS, WORKER),
        lambda files, folder: {"redis_url": URL, "redis_url_file": written(folder, "url", URL)},
    ),
    "a file that holds the password alone": (
        (JOBS, WORKER),
        lambda files, folder: {"redis_url_file": written(folder, "url", PASSWORD)},
    ),
    "a file that is not there": (
        (JOBS, WORKER),
        lambda files, folder: {"redis_url": URL.replace("redis", "rediss"), "redis_tls_ca": folder / "none.pem"},
    ),
    "a key in the place of a certificate": (
        (JOBS,),
        lambda files, folder: {"tls_certificate": files.path("server.key"), "tls_key": files.path("server.key")},
    ),
    "a token beside callers": (
        (JOBS,),
        lambda files, folder: {"token": TOKEN, "callers_file": callers(folder, "")},
    ),
    "a token beside its file": (
        (JOBS, PAGE),
        lambda files, folder: {"token": TOKEN, "token_file": written(folder, "token", TOKEN)},
    ),
    "a token in the place of its digest": (
        (JOBS,),
        lambda files, folder: {"callers_file": callers(folder, f'token_sha256 = "{TOKEN}"')},
    ),
    "a token that is no TOML": (
        (JOBS,),
        lambda files, folder: {"callers_file": callers(folder, f"token_sha256 = {TOKEN}")},
    ),
    "a token under another name": (
        (JOBS,),
        lambda files, folder: {"callers_file": callers(folder, f'token = "{TOKEN}"')},
    ),
    "a secret in the place of a number": (
        (JOBS, WORKER, PAGE),
        lambda files, folder: {"timeout": TOKEN, "lease_seconds": TOKEN, "queue_limit": PASSWORD},
    ),
    "a token that cannot be sent": ((PAGE,), lambda files, folder: {"token": f"{TOKEN}\n{PAGE_TOKEN}"}),
    "a secret in the place of a word": ((JOBS, WORKER), lambda files, folder: {"log_format": TOKEN}),
}


@pytest.mark.parametrize(
    ("module", "settings"),
    [(module, settings) for modules, settings in FAILING.values() for module in modules],
    ids=[f"{name}, {module}" for name, (modules, _) in FAILING.items() for module in modules],
)
def test_a_start_that_fails_says_no_secret(
    module: str, settings: Settings, secrets: set[str], certificates: Certificates, tmp_path: Path
) -> None:
    program = Loud(module, tmp_path, **settings(certificates, tmp_path))
    assert program.process.wait(90) == 1, program.said
    assert "error" in program.said
    assert leaks(secrets, {module: program.said}) == []


@pytest.mark.parametrize(
    "token", [f"{TOKEN}\n{PAGE_TOKEN}", f"{TOKEN}\u00e9"], ids=["a line break", "a letter of no use"]
)
def test_a_client_does_not_say_the_token_that_it_cannot_send(token: str, secrets: set[str], tmp_path: Path) -> None:
    environment = {**os.environ, "CONVSCOPE_TOKEN": token, "CONVSCOPE_SERVER": f"127.0.0.1:{free_port()}"}
    command = [str(Path(sys.executable).with_name("convscope")), "models", "--timeout", "2"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 1
    assert "token" in made.stderr
    assert leaks(secrets, {"out": made.stdout, "err": made.stderr}) == []


class Cluster:
    """A server of everything, a worker and the page, with every secret that they may have."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.folder = folder
        self.certificates = certificates
        self.errors: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        self.store = LastingStore(folder / "store", password=PASSWORD)
        self.store.url = self.store.url.replace(PASSWORD, quote(PASSWORD, safe=""))
        self.store.start()
        names = {"team": TOKEN, "page": PAGE_TOKEN}
        digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in names.items()}
        listed = "".join(f'[[callers]]\nname = "{name}"\ntoken_sha256 = "{of}"\n' for name, of in digests.items())
        (folder / "gates").mkdir()
        catalogue = "".join(ENTRY.format(name=name) for name in ("small", "crashing", "slow"))
        catalogue += entry("guarded", gates=str(folder / "gates")) + entry("broken", "broken", message="no such luck")
        shared = {
            "redis_url_file": written(folder, "url", self.store.url),
            "artifacts_url": (folder / "artifacts").as_uri(),
            "catalogue": written(folder, "catalogue.toml", catalogue),
            "device": "cpu",
            "threads": 1,
        }
        self.server = Loud(
            SERVER,
            folder,
            **shared,
            models="small,guarded",
            callers_file=written(folder, "callers.toml", listed),
            tls_certificate=certificates.path("server.pem"),
            tls_key=certificates.path("server.key"),
        )
        self.worker = Loud(WORKER, folder, **shared, log_format="console", lease_seconds=1.5)
        self.page: Loud | None = None

    @property
    def address(self) -> str:
        self.server.wait_to_say('"serving"')
        (line,) = [line for line in self.server.said.splitlines() if '"serving"' in line]
        return "localhost:" + line.partition('"address": "')[2].partition('"')[0].rpartition(":")[2]

    def client(self, token: str = TOKEN) -> Client:
        return Client.connect(self.address, token=token, tls=Tls(self.certificates.path("ca.pem")), timeout=10)

    def attempt(self, what: str, call: Callable[[], object]) -> None:
        """It has to fail; what its error says is kept."""
        try:
            call()
        except ClientError as error:
            self.errors[what] = f"{error!r} {error} {vars(error)}"
        except grpc.RpcError as error:
            trailers = error.trailing_metadata() if isinstance(error, grpc.Call) else ()
            self.errors[what] = f"{error} {trailers}"
        else:
            raise AssertionError(f"{what} was answered")

    def texts(self) -> dict[str, str]:
        """Everything that anybody may read."""
        programs = {"server": self.server, "worker": self.worker, **({"page": self.page} if self.page else {})}
        said = {name: program.said for name, program in programs.items()}
        files = [path for part in ("artifacts", "store") for path in (self.folder / part).rglob("*") if path.is_file()]
        kept = {str(path): path.read_bytes().decode("latin-1") for path in files}
        return said | self.errors | self.pages | kept

    def close(self) -> None:
        for program in (self.page, self.worker, self.server):
            if program is not None:
                with suppress(subprocess.TimeoutExpired):
                    program.stop()
                if program.process.poll() is None:
                    program.process.kill()
                    program.process.wait()
        self.store.kill()


@pytest.fixture
def cluster(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for folder in (TEAM, NETWORKS):
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    cluster = Cluster(tmp_path, certificates)
    yield cluster
    cluster.close()


def test_a_cluster_in_trouble_says_no_secret(cluster: Cluster, secrets: set[str]) -> None:
    client = cluster.client()
    done = client.visualize_class(model="small", target=1, recipe="simonyan2013", steps=5)
    cluster.worker.wait_to_say("takes jobs")
    assert done.wait(60).state == "succeeded"
    lost = client.visualize_class(model="crashing", target=1, recipe="simonyan2013", steps=5)
    broken = client.visualize_class(model="broken", target=1, recipe="simonyan2013", steps=5)
    call_wrongly(cluster)
    cluster.page = Loud(
        PAGE,
        cluster.folder,
        server=cluster.address,
        token_file=written(cluster.folder, "token", WRONG_TOKEN),
        tls_ca=cluster.certificates.path("ca.pem"),
    )
    cluster.page.wait_to_say("http://")
    cluster.attempt("a job that takes its worker down", partial(lost.wait, 90))
    cluster.attempt("a job whose model cannot be loaded", partial(broken.wait, 60))
    cluster.pages = {"metrics": cluster.server.metrics(), "worker's metrics": cluster.worker.metrics()}
    read_page(cluster, cluster.page)

    cluster.store.kill()
    cluster.attempt("the store is away", lambda: list(client.jobs()))
    cluster.worker.wait_to_say("Connection refused")
    cluster.store.start()
    wait_until(lambda: client.visualize_class(model="small", target=1, steps=3), "the store again")

    with redis.Redis.from_url(cluster.store.url) as store:
        store.config_set("requirepass", NEXT_PASSWORD)
        for connection in store.client_list():
            with suppress(redis.RedisError):
                store.client_kill_filter(_id=connection["id"])
    cluster.attempt("another password", lambda: list(client.jobs()))
    cluster.worker.wait_to_say("invalid username-password pair")
    client.close()
    cluster.close()

    texts = cluster.texts()
    assert "TOKEN_INVALID" in texts["a wrong token, by the SDK"]
    assert "Traceback" in texts["server"], "a call that fails inside is logged with its traceback"
    assert leaks(secrets, texts) == []


def call_wrongly(cluster: Cluster) -> None:
    """Every way not to be let in, and calls that fail inside."""
    with cluster.client(WRONG_TOKEN) as stranger:
        cluster.attempt("a wrong token, by the SDK", stranger.models)
    authority = grpc.ssl_channel_credentials(cluster.certificates.read("ca.pem"))
    bearer = (("authorization", f"Bearer {TOKEN}"),)
    with grpc.secure_channel(cluster.address, authority) as channel:
        stubs = Stubs(channel)
        for sent in (
            f"Bearer {WRONG_TOKEN}",
            f"bearer {TOKEN}",
            TOKEN,
            f"Basic {base64.b64encode(TOKEN.encode()).decode()}",
            f"Bearer {hashlib.sha256(TOKEN.encode()).hexdigest()}",
        ):
            metadata = (("authorization", sent),)
            call = partial(stubs.attribute, cursed(1), timeout=SECONDS, metadata=metadata)
            cluster.attempt(f"wrong, {sent[:3]} {len(sent)}", call)
        cluster.attempt("reflection", lambda: ProtoReflectionDescriptorDatabase(channel).get_services())
        raw: Any = channel.unary_unary("/convscope.v1.AttributionService/Attribute")
        cluster.attempt("rubbish", lambda: raw(TOKEN.encode(), timeout=SECONDS, metadata=bearer))
        cluster.attempt("inside", lambda: stubs.attribute(cursed(1), timeout=SECONDS, metadata=bearer))
    with grpc.insecure_channel(cluster.address) as channel:
        cluster.attempt("in the clear", lambda: Stubs(channel).attribute(cursed(1), timeout=5, metadata=bearer))
    with Client.connect(cluster.address, token=TOKEN, tls=Tls(cluster.certificates.path("stranger.pem"))) as client:
        cluster.attempt("another authority", lambda: client.models(timeout=5))


def read_page(cluster: Cluster, page: Loud) -> None:
    """As a browser does first."""
    address = page.said.partition("http://")[2].split()[0].rstrip(",")
    for path in ("/", "/config"):
        with urlopen(f"http://{address}{path}", timeout=30) as answer:
            cluster.pages[path] = answer.read().decode()
