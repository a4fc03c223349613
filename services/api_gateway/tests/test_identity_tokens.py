"""Access tokens: only ours, only EdDSA, only while they last; keys change by the clock on all replicas."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stack.gateways import KEY, GatewayPair, Person
from stack.http_client import http_client
from stack.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ME = "/api/auth/me"


async def ask(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(ME, headers={"Authorization": f"Bearer {token}"})


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forgeries(ada: Person, public_key: bytes) -> dict[str, str]:
    """Tokens with the right claims and a wrong signature."""
    token = ada.tokens["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    foreign = Ed25519PrivateKey.generate()

    def sign(header: dict, how) -> str:
        text = f"{encoded(header)}.{encoded(claims)}"
        return f"{text}.{encoded(how(text.encode()))}"

    return {
        "none": sign({"alg": "none", "kid": kid}, lambda _: b""),
        "None": sign({"alg": "None", "kid": kid}, lambda _: b""),
        "HS256 with our public key": sign(
            {"alg": "HS256", "kid": kid}, lambda text: hmac.digest(public_key, text, hashlib.sha256)
        ),
        "foreign key, our kid": sign({"alg": "EdDSA", "kid": kid}, foreign.sign),
        "foreign kid": sign({"alg": "EdDSA", "kid": "0123456789abcdef"}, foreign.sign),
        "no kid": sign({"alg": "EdDSA"}, foreign.sign),
        "a kid that is no text": sign({"alg": "EdDSA", "kid": 7}, foreign.sign),
        "a key in the header": sign(
            {"alg": "EdDSA", "kid": kid, "jwk": {"kty": "OKP"}, "jku": "http://x"}, foreign.sign
        ),
        "other claims": f"{token.split('.')[0]}.{encoded({**claims, 'sid': claims['tid']})}.{token.split('.')[2]}",
        "cut": token[:-3],
        "nonsense": "a.b.c",
        "long": "a" * 6000,
        "\u00e9": "\u00e9",
    }


async def test_forged_tokens_are_401(gateways: GatewayPair, subtests) -> None:
    ada = await gateways.somebody()
    jwks = (await gateways.first.get("/api/auth/jwks")).json()["keys"]
    public_key = base64.urlsafe_b64decode(jwks[0]["x"] + "=")
    for name, token in forgeries(ada, public_key).items():
        with subtests.test(name):
            headers = {"Authorization": b"Bearer " + token.encode()}
            answer = await gateways.second.get(ME, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["code"] == "AUTHENTICATION_ERROR"
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await ask(gateways.second, ada.tokens["access_token"])).status_code == 200


async def test_the_public_keys_verify_the_tokens_and_tell_no_secret(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    document = (await gateways.second.get("/api/auth/jwks")).json()
    token = ada.tokens["access_token"]
    kid = jwt.get_unverified_header(token)["kid"]
    assert all("d" not in key for key in document["keys"])
    key = next(one for one in jwt.PyJWKSet.from_dict(document).keys if one.key_id == kid)
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="parkstream-api", issuer="parkstream")
    assert (claims["sub"], claims["tid"]) == (str(ada.id), str(ada.tenant_id))
    assert claims["exp"] - claims["iat"] == 900


async def private_key(gateways: GatewayPair, kid: str) -> Ed25519PrivateKey:
    row = await gateways.sql.fetchval("SELECT private_key FROM gateway.signing_keys WHERE kid = $1", kid)
    return Ed25519PrivateKey.from_private_bytes(row)


async def test_tokens_that_have_run_out_or_lack_a_claim_are_401(gateways: GatewayPair, subtests) -> None:
    ada = await gateways.somebody()
    token = ada.tokens["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    key = await private_key(gateways, kid)
    lacking = {name: {k: v for k, v in claims.items() if k != name} for name in claims}
    wrong = {
        "expired": {**claims, "exp": int(time.time()) - 60},
        "issued tomorrow": {**claims, "iat": int(time.time()) + 86400},
        "of another issuer": {**claims, "iss": "somebody"},
        "for somebody else": {**claims, "aud": "another-api"},
        "of another user": {**claims, "sub": claims["sid"]},
        "of another tenant": {**claims, "tid": claims["sid"]},
        **{f"without {name}": value for name, value in lacking.items()},
    }
    for name, payload in wrong.items():
        with subtests.test(name):
            forged = jwt.encode(payload, key, algorithm="EdDSA", headers={"kid": kid})
            assert (await ask(gateways.first, forged)).status_code == 401
    assert (await ask(gateways.first, jwt.encode(claims, key, "EdDSA", headers={"kid": kid}))).status_code == 200


async def test_a_new_key_signs_after_its_time_and_the_old_one_still_verifies_everywhere(
    gateways: GatewayPair, tmp_path
) -> None:
    before = await gateways.somebody()
    old = jwt.get_unverified_header(before.tokens["access_token"])["kid"]
    await gateways.sql.execute("UPDATE gateway.signing_keys SET signs_until = now()")
    third = Service("api_gateway", gateways.environment, tmp_path / "third.log")
    third.spawn()
    await third.wait_ready(60)
    try:
        async with http_client(base_url=third.url, timeout=20) as client:
            body = {"refresh_token": before.tokens["refresh_token"]}
            after = (await client.post("/api/auth/refresh", json=body)).json()
            new = jwt.get_unverified_header(after["access_token"])["kid"]
            assert new != old
            assert (await ask(client, before.tokens["access_token"])).status_code == 200
        # the others have never heard of the new key
        assert (await ask(gateways.first, after["access_token"])).status_code == 200
        assert (await ask(gateways.second, after["access_token"])).status_code == 200
        await gateways.sql.execute("UPDATE gateway.signing_keys SET retires_at = now() WHERE kid = $1", old)
        third.stop()
        third.spawn()
        await third.wait_ready(60)
        async with http_client(base_url=third.url, timeout=20) as client:
            assert (await ask(client, before.tokens["access_token"])).status_code == 401
            kids = {key["kid"] for key in (await client.get("/api/auth/jwks")).json()["keys"]}
            assert kids == {new}
    finally:
        third.kill()


async def test_replicas_that_need_a_first_key_together_make_one(gateways: GatewayPair) -> None:
    await gateways.somebody()
    assert await gateways.sql.fetchval("SELECT count(*) FROM gateway.signing_keys WHERE signs_until > now()") == 1


async def test_a_key_and_a_token_at_once_are_refused(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    answer = await gateways.first.get(ME, headers={**ada.headers, "X-API-Key": KEY})
    assert answer.status_code == 401
    assert "not both" in answer.json()["message"]
    basic = await gateways.first.get(ME, headers={"Authorization": "Basic YTpi"})
    assert basic.status_code == 401
    assert "Bearer" in basic.json()["message"]
