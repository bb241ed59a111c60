import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from api.app import create_app
from api.config import ApiConfig, LimitConfig, TokenConfig
from api.server import listen
from api.store import keys
from domain.errors import ConfigurationError

from .conftest import serving

STATUS = "/api/v1/monitoring/A/status"
START = "/api/v1/monitoring/start"


def test_without_keys_this_machine_is_local_and_may_do_everything(served: Any, write: Any):
    write("A")

    assert served.client.get(STATUS).status_code == 200
    assert served.client.get("/api/v1/audit").status_code == 200
    assert served.client.post(START, json={"order_id": "A"}).json()["created_by"] == "local"


def test_without_keys_a_page_of_another_name_gets_nothing(served: Any, write: Any):
    write("A")

    answer = served.client.get(STATUS, headers={"Host": "evil.example"})

    assert answer.status_code == 403
    assert "not to the name 'evil.example'" in answer.json()["detail"]


def test_once_a_key_was_made_it_is_needed(served: Any, write: Any, make_key: Any, eventually: Any):
    write("A")
    assert served.client.get(STATUS).status_code == 200

    key = make_key("desk program")

    eventually(lambda: served.client.get(STATUS).status_code == 401)
    answer = served.client.get(STATUS)
    assert answer.headers["www-authenticate"] == 'Bearer realm="execmon"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert served.client.get(STATUS, headers=key).status_code == 200
    secret = key["Authorization"].removeprefix("Bearer ")
    assert served.client.get(STATUS, headers={"X-Api-Key": secret}).status_code == 200


def test_no_secret_is_stored(make_key: Any, history: Any):
    secret = make_key("a")["Authorization"].rpartition("_")[2]

    [row] = history.execute("SELECT row_to_json(k)::text FROM api_keys k").fetchall()

    assert secret not in row[0]


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": "Bearer execmon_aaaaaaaaaaaa_bbbb"},
        {"Authorization": "Bearer execmon_"},
        {"Authorization": "Bearer something else"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"X-Api-Key": "nothing"},
    ],
)
def test_a_wrong_key_opens_nothing_even_where_none_is_needed(header: Any, served: Any, write: Any):
    write("A")

    assert served.client.get(STATUS, headers=header).status_code == 401


def test_a_key_with_another_ones_secret_opens_nothing(serve: Any, make_key: Any, write: Any):
    write("A")
    one, other = make_key("one")["Authorization"], make_key("other")["Authorization"]
    mixed = one[: one.rindex("_")] + other[other.rindex("_") :]
    with serve() as api:
        assert api.client.get(STATUS, headers={"Authorization": one}).status_code == 200
        assert api.client.get(STATUS, headers={"Authorization": mixed}).status_code == 401


def test_an_expired_key_is_told_so_in_one_line(serve: Any, make_key: Any):
    key = make_key("old program", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    with serve() as api:
        answer = api.client.get(STATUS, headers=key)

    assert answer.status_code == 401
    assert answer.json()["detail"].endswith("of old program expired on 2020-01-01")


def test_a_revoked_key_ends_within_seconds(
    serve: Any, make_key: Any, write: Any, history: Any, eventually: Any
):
    write("A")
    key = make_key("a")
    with serve() as api:
        assert api.client.get(STATUS, headers=key).status_code == 200

        keys.revoke(history, "a", by="test")

        eventually(lambda: api.client.get(STATUS, headers=key).status_code == 401)
        assert api.client.get(STATUS).status_code == 401


def test_the_history_store_down_locks_nobody_out(
    config: ApiConfig, make_key: Any, write: Any, own_history: Any
):
    from dataclasses import replace

    write("A")
    connection, server = own_history
    _, key = keys.create(connection, "a", ["read"], None, by="test")
    connection.close()
    header = {"X-Api-Key": key}
    with serving(replace(config, history_url=server.url)) as api:
        assert api.client.get(STATUS, headers=header).status_code == 200
        server.kill()

        assert api.client.get(STATUS, headers=header).status_code == 200
        assert api.client.get(STATUS, headers={"X-Api-Key": key + "x"}).status_code == 401
        ready = api.client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["state"] == "degraded"
        down = {d["name"]: d["state"] for d in ready.json()["dependencies"]}
        assert down == {"status store": "up", "history store": "down", "bus": "up"}
        assert api.client.get("/api/v1/audit", headers=header).status_code in {403, 503}
        began = time.monotonic()
        api.client.get(STATUS, headers=header)
        assert time.monotonic() - began < 1.0


def test_a_start_while_the_keys_cannot_be_read_opens_nothing(serve: Any, write: Any):
    write("A")
    with serve(history_url="postgresql://nobody@/x?host=/nowhere") as api:
        answer = api.client.get(STATUS)

        assert answer.status_code == 503
        assert "keys could not be read" in answer.json()["detail"]


@pytest.mark.parametrize("scope", ["read", "operate", "admin"])
def test_a_scope_includes_those_below_it_and_no_other(
    scope: str, serve: Any, make_key: Any, write: Any
):
    write("A")
    key = make_key("a", scope)
    with serve() as api:
        found = {
            "read": api.client.get(STATUS, headers=key).status_code,
            "operate": api.client.post(START, json={"order_id": "A"}, headers=key).status_code,
            "admin": api.client.get("/api/v1/audit", headers=key).status_code,
        }

    order = ["read", "operate", "admin"]
    right = {"read": 200, "operate": 201, "admin": 200}
    allowed = order[: order.index(scope) + 1]
    assert found == {name: right[name] if name in allowed else 403 for name in order}


# A network


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_refuses_to_start_unauthenticated_on_a_network(host: str, serve: Any):
    with (
        pytest.raises(ConfigurationError, match=f"refuses to start unauthenticated on {host}"),
        serve(host=host),
    ):
        pass


def test_with_a_key_it_starts_on_a_network(serve: Any, make_key: Any, write: Any):
    write("A")
    key = make_key("a")
    with serve(host="0.0.0.0") as api:
        assert api.client.get(STATUS).status_code == 401
        assert api.client.get(STATUS, headers=key).status_code == 200


def test_a_taken_port_is_one_clear_line():
    taken = listen("127.0.0.1", 0)
    with pytest.raises(ConfigurationError, match=r"cannot listen on 127.0.0.1 port \d+: Address"):
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()
    with pytest.raises(ConfigurationError, match="'no such host' is no address"):
        listen("no such host", 0)


# Tokens

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
SIGNERS = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}


def jwks() -> dict[str, Any]:
    public = {
        "RS256": RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
        "ES256": ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True),
        "EdDSA": OKPAlgorithm.to_jwk(ED_KEY.public_key(), as_dict=True),
    }
    return {"keys": [{**key, "kid": alg, "use": "sig", "alg": alg} for alg, key in public.items()]}


def token(alg: str = "ES256", key: Any = None, **more: Any) -> dict[str, str]:
    claims = {
        "sub": "ann",
        "iss": "https://id.example",
        "aud": "execmon",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "scope": "openid execmon:read",
        "desks": ["US"],
        **more,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": alg if alg in SIGNERS else "RS256"}
    text = jwt.encode(claims, key or SIGNERS.get(alg), algorithm=alg, headers=headers)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def told_by_file(tmp_path: Path) -> TokenConfig:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks()))
    return TokenConfig(jwks=str(file), issuer="https://id.example", audience="execmon", leeway_s=5)


@pytest.mark.parametrize("alg", list(SIGNERS))
def test_a_token_of_the_issuer_is_taken(alg: str, serve: Any, told_by_file: Any, write: Any):
    write("A", desk="US")
    write("B", desk="EU")
    with serve(token=told_by_file) as api:
        assert api.client.get(STATUS, headers=token(alg)).status_code == 200
        other = api.client.get("/api/v1/monitoring/B/status", headers=token(alg))
        assert other.status_code == 404
        assert api.client.get(STATUS).status_code == 401
        operate = api.client.post(START, json={"order_id": "A"}, headers=token(alg))
        assert operate.status_code == 403


def test_every_desk_is_a_star_and_no_claim_is_no_desk(serve: Any, told_by_file: Any, write: Any):
    write("A", desk="US")
    with serve(token=told_by_file) as api:
        assert api.client.get(STATUS, headers=token(desks="*")).status_code == 200
        assert api.client.get(STATUS, headers=token(desks="EU US")).status_code == 200
        assert api.client.get(STATUS, headers=token(desks=None)).status_code == 404


PAST = datetime.now(UTC) - timedelta(minutes=5)
FORGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: token(exp=PAST), "has expired"),
        (lambda: token(exp=None), "exp"),
        (lambda: token(nbf=datetime.now(UTC) + timedelta(minutes=5)), "not yet valid"),
        (lambda: token(aud="another"), "[Aa]udience"),
        (lambda: token(iss="https://evil.example"), "[Ii]ssuer"),
        (lambda: token(sub=None), "sub"),
        (lambda: token(key=FORGER), "[Ss]ignature"),
        (lambda: token("none", key=""), "must be signed with RS256 or ES256 or EdDSA"),
        (lambda: token("HS256", key="x" * 40), "must be signed with"),
    ],
)
def test_a_token_that_does_not_hold_opens_nothing(
    made: Any, words: str, serve: Any, told_by_file: Any, write: Any
):
    write("A", desk="US")
    with serve(token=told_by_file) as api:
        answer = api.client.get(STATUS, headers=made())

    assert answer.status_code == 401
    import re

    assert re.search(words, answer.json()["detail"]), answer.json()["detail"]


def test_a_public_key_used_as_a_secret_opens_nothing(serve: Any, told_by_file: Any, write: Any):
    """The old confusion: an HMAC keyed with the issuer's public key."""
    import hmac
    from base64 import urlsafe_b64encode

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    write("A", desk="US")
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def part(value: Any) -> bytes:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"sub": "eve", "iss": "https://id.example", "aud": "execmon", "exp": 9e9}
    text = part({"alg": "HS256", "kid": "RS256"}) + b"." + part({**claims, "scope": "admin"})
    signed = text + b"." + urlsafe_b64encode(hmac.digest(public, text, "sha256")).rstrip(b"=")
    with serve(token=told_by_file) as api:
        answer = api.client.get(STATUS, headers={"Authorization": f"Bearer {signed.decode()}"})

    assert answer.status_code == 401


def test_keys_that_the_issuer_changes_are_read_again(
    serve: Any, told_by_file: TokenConfig, write: Any, monkeypatch: Any
):
    monkeypatch.setattr("api.identity.tokens._HURRY_S", 0.0)
    write("A", desk="US")
    fresh = ec.generate_private_key(ec.SECP256R1())
    made = token(key=fresh)["Authorization"]
    text = jwt.encode(
        jwt.decode(made.removeprefix("Bearer "), options={"verify_signature": False}),
        fresh,
        algorithm="ES256",
        headers={"kid": "next"},
    )
    header = {"Authorization": f"Bearer {text}"}
    with serve(token=told_by_file) as api:
        assert api.client.get(STATUS, headers=header).status_code == 401
        public = ECAlgorithm.to_jwk(fresh.public_key(), as_dict=True)
        Path(told_by_file.jwks).write_text(json.dumps({"keys": [{**public, "kid": "next"}]}))

        assert api.client.get(STATUS, headers=header).status_code == 200
        assert api.client.get(STATUS, headers=token()).status_code == 401


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jwks": "/nowhere.json"}, "cannot read api_jwt_jwks /nowhere.json"),
        ({"jwks": "http://id.example/jwks"}, "a file or an https address"),
        ({"audience": ""}, "needs api_jwt_issuer and api_jwt_audience"),
    ],
)
def test_a_wrong_identity_provider_is_one_clear_line(
    changes: Any, words: str, config: ApiConfig, told_by_file: TokenConfig
):
    from dataclasses import replace

    wrong = replace(config, token=replace(told_by_file, **changes))
    with pytest.raises(ConfigurationError, match=words), serving(wrong):
        pass


# Limits


def test_who_asks_too_fast_is_told_when_to_come_back(serve: Any, make_key: Any, write: Any):
    write("A")
    fast, other = make_key("fast"), make_key("other")
    with serve(limits=LimitConfig(reads_per_s=10)) as api:
        answers = [api.client.get(STATUS, headers=fast) for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]

        assert 10 <= 30 - len(refused) <= 20
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["type"] == "urn:execmon:problem:too-many-requests"
        assert api.client.get(STATUS, headers=other).status_code == 200
        time.sleep(1.05)
        assert api.client.get(STATUS, headers=fast).status_code == 200


def test_two_processes_share_a_limit(serve: Any, make_key: Any, write: Any):
    write("A")
    key = make_key("fast")
    limits = LimitConfig(reads_per_s=10)
    with serve(limits=limits) as one, serve(limits=limits) as two:
        codes = [
            api.client.get(STATUS, headers=key).status_code for _ in range(15) for api in (one, two)
        ]

    assert 10 <= codes.count(200) <= 20


def test_many_wrong_keys_are_slowed_down(served: Any):
    wrong = {"X-Api-Key": "execmon_aaaaaaaaaaaa_b"}

    codes = {served.client.get(STATUS, headers=wrong).status_code for _ in range(80)}

    assert codes == {401, 429}
    assert served.client.get("/livez").status_code == 200


# Tickets


def test_a_ticket_is_made_for_who_may_read(serve: Any, make_key: Any):
    key = make_key("page")
    with serve() as api:
        assert api.client.post("/api/v1/tickets").status_code == 401
        made = api.client.post("/api/v1/tickets", headers=key)

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    left = datetime.fromisoformat(made.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=25) < left <= timedelta(seconds=30)


def test_a_ticket_is_of_no_use_for_a_request(serve: Any, make_key: Any, write: Any):
    write("A")
    key = make_key("page")
    with serve() as api:
        ticket = api.client.post("/api/v1/tickets", headers=key).json()["ticket"]

        assert api.client.get(STATUS, params={"ticket": ticket}).status_code == 401


# Audit


def test_every_action_and_refusal_is_in_the_audit(
    serve: Any, make_key: Any, write: Any, history: Any, eventually: Any
):
    write("A", desk="US")
    reader = make_key("eu reader", desks=["EU"])
    admin = make_key("boss", "admin")
    with serve() as api:
        api.client.get(STATUS)
        api.client.get(STATUS, headers=reader)
        api.client.post(START, json={"order_id": "A"}, headers=reader)
        done = api.client.post(
            START, json={"order_id": "A"}, headers={**admin, "X-Request-Id": "call-7"}
        )
        assert done.headers["x-request-id"] == "call-7"

        eventually(lambda: history.execute("SELECT count(*) FROM audit").fetchone()[0] >= 4)
        lines = api.client.get("/api/v1/audit", headers=admin).json()["items"]

    found = [(one["who"], one["action"], one["target"], one["outcome"]) for one in lines][::-1]
    status, start = "GET /api/v1/monitoring/{order_id:path}/status", f"POST {START}"
    assert found == [
        ("(unknown)", status, "A", "refused"),
        ("eu reader", status, "A", "refused"),
        ("eu reader", start, None, "refused"),
        ("boss", start, "A", "done"),
    ]
    assert lines[0]["request_id"] == "call-7"
    assert lines[2]["detail"]["why"] == "another desk's order"


def test_the_audit_comes_in_pages_and_can_be_narrowed(
    serve: Any, make_key: Any, write: Any, history: Any, eventually: Any
):
    write("A")
    admin = make_key("boss", "admin")
    with serve() as api:
        for n in range(7):
            api.client.post(START, json={"order_id": f"O{n}"}, headers=admin)
        eventually(lambda: history.execute("SELECT count(*) FROM audit").fetchone()[0] >= 7)
        first = api.client.get("/api/v1/audit?limit=4", headers=admin)
        url = first.headers["link"].partition(">")[0].lstrip("<")
        second = api.client.get(url, headers=admin)
        one = api.client.get("/api/v1/audit?target=O3", headers=admin).json()["items"]
        lines = api.client.get("/api/v1/audit", headers={**admin, "Accept": "application/x-ndjson"})
        wrong = api.client.get("/api/v1/audit?cursor=nonsense", headers=admin)

    targets = [line["target"] for page in (first, second) for line in page.json()["items"]]
    assert targets == [f"O{n}" for n in range(6, -1, -1)]
    assert "link" not in second.headers
    assert [line["target"] for line in one] == ["O3"]
    assert len(lines.text.splitlines()) == 7
    assert wrong.status_code == 422


def test_nothing_that_somebody_sends_stops_the_audit(
    serve: Any, make_key: Any, history: Any, eventually: Any
):
    make_key("a")
    with serve() as api:
        for odd in ("%00", "%ED%A0%80", "x" * 5_000):
            assert api.client.get(f"/api/v1/monitoring/{odd}/status").status_code == 401

        eventually(lambda: history.execute("SELECT count(*) FROM audit").fetchone()[0] == 3)
    assert [len(row[0]) for row in history.execute("SELECT target FROM audit ORDER BY id")] == [
        1,
        3,
        500,
    ]


def test_text_that_no_column_can_hold_is_refused_in_words(served: Any):
    answer = served.client.get("/api/v1/audit?who=%00")

    assert answer.status_code == 422
    assert "NUL" in answer.json()["detail"]


def test_the_audit_waits_for_a_history_store_that_is_down(
    config: ApiConfig, write: Any, own_history: Any, eventually: Any
):
    from dataclasses import replace

    import psycopg

    write("A", desk="US")
    write("C", desk="US")
    connection, server = own_history
    _, key = keys.create(connection, "a", ["read"], ["EU"], by="test")
    connection.close()
    header = {"X-Api-Key": key}
    with serving(replace(config, history_url=server.url)) as api:
        server.kill()
        for order_id in "AAC":
            answer = api.client.get(f"/api/v1/monitoring/{order_id}/status", headers=header)
            assert answer.status_code == 404
        server.restart()

        def stored() -> int:
            with psycopg.connect(server.url) as fresh:
                return fresh.execute("SELECT count(*) FROM audit").fetchone()[0]

        eventually(lambda: stored() == 2)
        with psycopg.connect(server.url) as fresh:
            [[times]] = fresh.execute(
                "SELECT detail->>'times' FROM audit WHERE target = 'A'"
            ).fetchall()
        assert times == "2"
        assert api.service.audit.dropped == 0


def test_the_application_can_be_made_without_any_server():
    app = create_app(ApiConfig(status_url="unix:///nowhere"))

    assert app.openapi()["openapi"].startswith("3.1")


def test_it_also_runs_under_another_asgi_server(config: ApiConfig):
    app = create_app(config)

    async def ask() -> int:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as c:
                return (await c.get("/livez")).status_code

    assert asyncio.run(ask()) == 200
