"""What only a Pulsar does: subscriptions, backlog, resent messages, policies, entry."""

import datetime
import ipaddress
import threading
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bus.base import START, Outgoing
from bus.connect import open_bus
from bus.pulsar import layout
from bus.pulsar.producers import _Lane, _Receipts
from domain.errors import BusDown, BusError
from domain.vocabulary import Topic
from runtime.pulsar_server import PulsarServer
from tests.pulsar_broker import Entry, again, missing

ORDERS0 = (Topic.ORDERS, 0)
LAYOUT = dict.fromkeys(Topic, 2)


def numbered(*numbers):
    return [Outgoing(*ORDERS0, str(n).encode()) for n in numbers]


def bodies(bus, after=START):
    return [int(m.body) for m in bus.reader().read({ORDERS0: after}, 200_000, 0).get(ORDERS0, [])]


def backlog(bus, name):
    stats = bus.admin.get(f"{bus.admin.topic_path(*ORDERS0)}/stats")
    return stats["subscriptions"][name]["msgBacklog"]


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def read_on(reader, after, count, seconds=20.0):
    """So many messages after a position, in as many reads as it takes."""
    found = []
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} came"
        found += reader.read({ORDERS0: after}, 1000, 50).get(ORDERS0, [])
        after = found[-1].position if found else after
    return found


def test_a_named_reader_goes_on_at_the_snapshot_whatever_it_acknowledged(pulsar_bus):
    positions = pulsar_bus.append(numbered(*range(10)))
    first = pulsar_bus.reader("desk")
    read_on(first, START, 10)
    first.acknowledge(ORDERS0, positions[7])
    first.close()

    for at in (4, 8, 9):
        reader = pulsar_bus.reader("desk")
        if at < 9:
            found = read_on(reader, positions[at], 9 - at)
            assert [int(m.body) for m in found] == list(range(at + 1, 10))
        else:
            assert reader.read({ORDERS0: positions[9]}, 10, 100) == {}
        reader.close()


def test_only_what_was_acknowledged_leaves_the_backlog(pulsar_bus):
    positions = [pulsar_bus.append(numbered(n))[0] for n in range(6)]
    reader = pulsar_bus.reader("desk")
    read_on(reader, START, 6)

    assert backlog(pulsar_bus, "desk") == 6
    reader.acknowledge(ORDERS0, positions[3])
    wait_until(lambda: backlog(pulsar_bus, "desk") == 2)
    reader.acknowledge(ORDERS0, positions[5])
    wait_until(lambda: backlog(pulsar_bus, "desk") == 0)
    reader.close()


def test_half_a_batch_is_not_acknowledged(pulsar_bus):
    pulsar_bus.append(numbered(0))
    positions = pulsar_bus.append(numbered(*range(1, 5)))
    assert positions[1].count(":") == 2, "the client did not make a batch"
    reader = pulsar_bus.reader("desk")
    read_on(reader, START, 5)

    # The broker counts entries: the batch is one.
    assert backlog(pulsar_bus, "desk") == 2

    reader.acknowledge(ORDERS0, positions[1])

    wait_until(lambda: backlog(pulsar_bus, "desk") == 1)
    time.sleep(0.2)
    assert backlog(pulsar_bus, "desk") == 1
    reader.close()


def test_a_second_reader_of_the_name_takes_over_when_the_first_is_gone(pulsar_bus):
    positions = pulsar_bus.append(numbered(0, 1))
    first = pulsar_bus.reader("desk")
    read_on(first, START, 2)
    first.close()
    pulsar_bus.append(numbered(2))

    second = pulsar_bus.reader("desk")

    assert [int(m.body) for m in read_on(second, positions[-1], 1)] == [2]
    second.close()


def test_a_message_that_comes_again_after_an_outage_is_stored_once(pulsar_bus, monkeypatch):
    messages = numbered(*range(50))
    producers = pulsar_bus._producers
    kept = producers._first_failure
    monkeypatch.setattr(
        producers, "_first_failure", lambda receipts: BusDown("the answer was lost")
    )
    with pytest.raises(BusDown):
        pulsar_bus.append(messages)
    monkeypatch.setattr(producers, "_first_failure", kept)
    assert bodies(pulsar_bus) == list(range(50))

    positions = pulsar_bus.append([*messages, *numbered(50, 51)])

    assert positions[:50] == [START] * 50
    assert bodies(pulsar_bus) == list(range(52))


def test_nothing_is_lost_where_two_attempts_fail_and_the_first_was_stored(pulsar_bus, monkeypatch):
    messages = numbered(0, 1, 2)
    with monkeypatch.context() as lost:
        lost.setattr(
            pulsar_bus._producers, "_first_failure", lambda receipts: BusDown("the answer was lost")
        )
        with pytest.raises(BusDown):
            pulsar_bus.append(messages)
    with monkeypatch.context() as away:
        away.setattr(_Lane, "send", lambda *message: None)
        away.setattr(_Receipts, "wait", lambda *seconds: None)
        with pytest.raises(BusDown):
            pulsar_bus.append(messages := [*messages, *numbered(3, 4)])

    pulsar_bus.append([*messages, *numbered(5)])

    assert bodies(pulsar_bus) == [0, 1, 2, 3, 4, 5]


def test_nothing_is_lost_where_others_wrote_between_two_attempts(pulsar_bus, monkeypatch):
    messages = numbered(0, 1)
    monkeypatch.setattr(
        pulsar_bus._producers, "_first_failure", lambda receipts: BusDown("the answer was lost")
    )
    with pytest.raises(BusDown):
        pulsar_bus.append(messages)
    monkeypatch.undo()
    pulsar_bus.append(numbered(2))

    pulsar_bus.append(messages)

    assert bodies(pulsar_bus) == [0, 1, 2, 0, 1]


def test_a_writer_waits_where_its_queue_is_full(pulsar_bus):
    threads = [
        threading.Thread(target=pulsar_bus.append, args=(numbered(*range(n, 30_000, 3)),))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    found = bodies(pulsar_bus)

    assert sorted(found) == list(range(30_000))
    for n in range(3):
        assert [f for f in found if f % 3 == n] == list(range(n, 30_000, 3))


def test_a_message_that_is_too_large_is_a_refusal(pulsar_bus):
    with pytest.raises(BusError, match="larger than the broker takes") as caught:
        pulsar_bus.append([Outgoing(*ORDERS0, bytes(8 << 20))])

    assert not isinstance(caught.value, BusDown)
    assert pulsar_bus.append(numbered(1))


def test_a_new_namespace_keeps_for_a_week_and_drops_what_is_resent(pulsar_bus):
    found = layout.policies(pulsar_bus.admin)

    assert found == layout.Policies(7 * 86_400.0, deduplicates=True)
    assert layout.faults(pulsar_bus.admin, LAYOUT, 16) == []


def test_faults_of_a_namespace_are_named_with_the_way_out(bare_pulsar):
    admin = bare_pulsar.admin
    assert "execmon topics create" in layout.faults(admin, LAYOUT, 16)[0]
    bare_pulsar.set_up({Topic.ORDERS: 2}, 16)
    admin.ask("POST", f"{admin.namespace_path}/deduplication", False)
    layout.set_policies(admin, keep_s=None)
    assert layout.policies(admin).keep_s is None
    admin.ask("POST", f"{admin.namespace_path}/retention",
              {"retentionTimeInMinutes": 0, "retentionSizeInMB": 0})  # fmt: skip
    admin.ask("POST", f"{admin.namespace_path}/deduplication", False)

    found = " | ".join(layout.faults(admin, {Topic.ORDERS: 3, Topic.ROUTES: 2}, 8))

    for words in (
        "16 groups, the setting says 8",
        "orders has 2 partitions, the setting says 3",
        "topic routes is missing",
        "deduplication is off",
        "retention is off",
    ):
        assert words in found


def test_a_broker_that_delays_new_messages_is_named(pulsar_bus, monkeypatch):
    kept = pulsar_bus.admin.get
    config = {"managedLedgerNewEntriesCheckDelayInMillis": "10"}
    monkeypatch.setattr(
        pulsar_bus.admin,
        "get",
        lambda path: config if path.startswith("brokers/") else kept(path),
    )

    [found] = layout.faults(pulsar_bus.admin, LAYOUT, 16)

    assert "up to 10 ms: set managedLedgerNewEntriesCheckDelayInMillis=0" in found


def test_a_clock_of_another_process_is_named(pulsar_bus):
    other = again(pulsar_bus)
    assert pulsar_bus.take_clock("first desk", "wall", 5_000) is None

    assert other.take_clock("second", "wall", 5_000) == "first desk"
    other.close()
    pulsar_bus.release_clock("first desk")


def test_a_clock_waits_until_the_broker_lets_go_of_its_own_former_connection(pulsar_bus):
    former = again(pulsar_bus)
    assert former.take_clock("desk", "wall", 5_000) is None

    with pytest.raises(BusDown, match="former connection"):
        pulsar_bus.take_clock("desk", "wall", 5_000)

    former.close()
    wait_until(lambda: taken(pulsar_bus, "desk"))


def taken(bus, owner):
    try:
        return bus.take_clock(owner, "wall", 5_000) is None
    except BusDown:
        return False


def test_nobody_answers_where_there_is_no_broker():
    bus = open_bus("pulsar://127.0.0.1:1", Entry("http://127.0.0.1:1"), timeout_s=1.0)

    for call in (
        bus.ping,
        lambda: bus.append(numbered(1)),
        lambda: bus.reader().read({ORDERS0: START}, 1, 0),
        lambda: bus.reader("desk").read({ORDERS0: START}, 1, 0),
        lambda: bus.end(ORDERS0),
    ):
        with pytest.raises(BusDown):
            call()
    bus.close()


def test_order_within_a_key_survives_kill_9_of_the_broker_and_nothing_is_lost(own_pulsar):
    bus = own_pulsar.open()
    bus.set_up(LAYOUT, 16)
    reader = bus.reader("desk")
    done = threading.Event()

    def write():
        for n in range(0, 20_000, 100):
            batch = numbered(*range(n, n + 100))
            while True:
                try:
                    bus.append(batch)
                    break
                except BusDown:
                    time.sleep(0.1)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    found, after, killed = [], START, False
    deadline = time.monotonic() + 120
    while not done.is_set() or len(found) < 20_000:
        assert time.monotonic() < deadline, len(found)
        if len(found) > 2_000 and not killed:
            own_pulsar.kill()
            own_pulsar.restart()
            killed = True
        try:
            bus.check_position(ORDERS0, after)
            messages = reader.read({ORDERS0: after}, 1000, 50).get(ORDERS0, [])
        except BusDown:
            time.sleep(0.1)
            continue
        found += [int(m.body) for m in messages]
        after = messages[-1].position if messages else after
    writer.join()

    assert found == list(range(20_000))
    wait_until(lambda: acknowledged(reader, after) and backlog(bus, "desk") == 0)
    reader.close()


def acknowledged(reader, position):
    reader.acknowledge(ORDERS0, position)
    return True


# TLS and tokens

SECRET = "a secret of the tests that is long enough"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A broker that speaks TLS alone to clients and asks for tokens: (server, settings)."""
    missing()
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed(folder)
    (folder / "secret").write_bytes(SECRET.encode())
    token = jwt.encode({"sub": "admin"}, SECRET, "HS256")
    server = PulsarServer(
        tls=True,
        token=token,
        more={
            "tlsCertificateFilePath": str(certificate), "tlsKeyFilePath": str(key),
            "tlsTrustCertsFilePath": str(certificate),
            "authenticationEnabled": "true", "authorizationEnabled": "true",
            "authenticationProviders":
                "org.apache.pulsar.broker.authentication.AuthenticationProviderToken",
            "tokenSecretKey": f"file://{folder / 'secret'}", "superUserRoles": "admin",
            "brokerClientAuthenticationPlugin":
                "org.apache.pulsar.client.impl.auth.AuthenticationToken",
            "brokerClientAuthenticationParameters": f"token:{token}",
        },
    )  # fmt: skip
    with server:
        yield server, certificate, token


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def test_tls_and_a_token_from_a_file_let_us_in(guarded, tmp_path):
    server, certificate, token = guarded
    (tmp_path / "token").write_text(token)
    entry = Entry(server.tls_admin_url, pulsar_token_file=tmp_path / "token",
                  pulsar_tls_ca=certificate)  # fmt: skip
    bus = open_bus(f"{server.tls_url}/public/tls", entry)
    bus.set_up(LAYOUT, 16)

    bus.append(numbered(1, 2))

    assert bodies(bus) == [1, 2]
    assert [int(m.body) for m in read_on(bus.reader("desk"), START, 2)] == [1, 2]
    bus.close()


def test_a_wrong_token_is_a_refusal_that_does_not_show_it(guarded):
    server, certificate, _ = guarded
    wrong = jwt.encode({"sub": "admin"}, SECRET + "!", "HS256")
    entry = Entry(server.tls_admin_url, wrong, pulsar_tls_ca=certificate)
    bus = open_bus(f"{server.tls_url}/public/tls", entry)

    with pytest.raises(BusError, match="does not let us in") as caught:
        bus.set_up(LAYOUT, 16)
    assert not isinstance(caught.value, BusDown)
    with pytest.raises(BusError) as later:
        bus.append(numbered(1))

    assert wrong not in f"{caught.value} {later.value}"
    bus.close()


def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(guarded):
    server, _, token = guarded
    bus = open_bus(f"{server.tls_url}/public/tls", Entry(server.tls_admin_url, token), timeout_s=2)

    for call in (bus.ping, lambda: bus.append(numbered(1))):
        with pytest.raises(BusError):
            call()
    bus.close()
