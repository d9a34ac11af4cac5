"""Who calls an origin behind Edgewarden, for Python. Needs PyJWT[crypto] 2.9 or later.

    agents = AgentVerifier("https://api.example.com", "https://origin.example.com")
    claims = agents.verify("GET", "/v1/documents/7", request.headers, query="page=2")
"""

import hashlib
import re
import threading
import time
from base64 import urlsafe_b64encode
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

import jwt

ALGORITHMS = {"ES256", "EdDSA"}
EXTENSIONS = {"crit", "b64", "jwk", "jku", "x5u", "x5c"}
REQUIRED = ["iss", "aud", "iat", "exp", "jti", "sub", "agent_iss", "route", "possession"]
STRENGTH = {"identity": 0, "request": 1, "body": 2}
FRESH, STALE, COOLDOWN, RETRY = 600, 24 * 3600, 30, 5  # seconds


class Refused(Exception):
    """Answer 401, or 503 where `unavailable`. The text is for logs."""

    def __init__(self, reason, unavailable=False):
        super().__init__(reason)
        self.unavailable = unavailable


class AgentVerifier:
    """Make one per process: it keeps the gate's keys.

    `replays(jti, expires)`, if given, says True to the first who asks for a jti, and to nobody
    else until `expires`. It must be shared by all processes of the origin. `host` is the header that
    says which host the gate has asked for, where a proxy rewrites Host and writes that one itself; None
    where nothing does.
    """

    def __init__(self, gate, audience, *, jwks_uri=None, prefix="/.edgewarden",
                 require="identity", replays=None, leeway=5, host="host"):
        url = urlsplit(gate)
        uri = jwks_uri or f"{url.scheme}://{url.netloc}{prefix}/jwks.json"
        self.gate, self.audience, self.leeway = gate, audience, leeway
        self.host = host
        self.require, self.replays = STRENGTH[require], replays
        self._client = jwt.PyJWKClient(uri, cache_jwk_set=False, timeout=5)
        self._lock = threading.Lock()
        self._keys, self._fetched, self._asked, self._failed = {}, -STALE, -STALE, False

    def verify(self, method, path, headers, body=b"", query=""):
        """The claims of the request's assertion; raises Refused.

        `path` is the one that was sent, still percent-encoded and without the query (ASGI
        `raw_path`, WSGI `REQUEST_URI` or `RAW_URI`), `query` what stands behind its `?`, as it was sent (ASGI
        `query_string`, WSGI `QUERY_STRING`); `headers` ignores case, or has lower-case names; `body` holds
        the bytes as they were sent.
        """
        token = headers.get("x-agent-assertion")
        if not token or "," in token:
            raise Refused("there must be one assertion")
        try:
            claims = self._claims(token)
        except jwt.PyJWTError as error:
            raise Refused(type(error).__name__) from None
        if claims["exp"] - claims["iat"] > 60:
            raise Refused("the assertion lives too long")
        if not under_route(claims["route"], method, path):
            raise Refused("the assertion is for another method or path")
        named = claims.get("htu") or self.audience
        if self.host and named.startswith("http") and not same_host(headers.get(self.host), named):
            raise Refused("the assertion is for another host")
        self._check_binding(claims, method, path, body, query)
        return claims

    def _claims(self, token):
        header = jwt.get_unverified_header(token)
        if header.get("typ") != "agent-assertion+jwt" or EXTENSIONS & header.keys():
            raise Refused("the JWT is no assertion")
        key = self._key(header.get("kid"))
        if key.algorithm_name not in ALGORITHMS:
            raise Refused("the algorithm is not accepted")
        return jwt.decode(token, key.key, algorithms=[key.algorithm_name], issuer=self.gate,
                          audience=self.audience, leeway=self.leeway,
                          options={"require": REQUIRED, "strict_aud": True})

    def _key(self, kid):
        with self._lock:
            now = time.monotonic()
            wait = COOLDOWN if self._keys else RETRY
            if (kid not in self._keys or now - self._fetched >= FRESH) and now - self._asked >= wait:
                self._asked = now
                try:
                    self._keys = {key.key_id: key for key in self._client.get_signing_keys()}
                    self._fetched, self._failed = now, False
                except Exception:  # whatever it was, there are no new keys
                    self._failed = True
            if now - self._fetched >= STALE or (kid not in self._keys and self._failed):
                raise Refused("the keys cannot be had", unavailable=True)
        if kid not in self._keys:
            raise Refused("the gate has no such key")
        return self._keys[kid]

    def _check_binding(self, claims, method, path, body, query):
        htm, htu, htq, bdh = (claims.get(name) for name in ("htm", "htu", "htq", "bdh"))
        bound = 2 if bdh else 1 if htm else 0
        if bound < self.require or bool(htm) != bool(htu) or ((htq or bdh) and not htm):
            raise Refused("the assertion is not bound to the request")
        if not htm:
            return
        sent = urlsplit(htu)
        if htm != method or sent.path != path or sent.query or sent.fragment or (
                self.audience.startswith("http") and place(htu) != place(self.audience)):
            raise Refused("the assertion is bound to another request")
        query = query.encode("latin-1") if isinstance(query, str) else query
        if htq != (digest(query) if query else None):
            raise Refused("the assertion is bound to another query")
        if bdh and bdh != digest(body):
            raise Refused("the assertion is bound to another body")
        if self.replays and self.replays(claims["jti"], claims["exp"] + self.leeway) is not True:
            raise Refused("the assertion was used before")


def digest(data):
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def same_host(host, url):
    if not re.fullmatch(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", host or "", re.ASCII):
        return False
    try:
        return place(f"{urlsplit(url).scheme}://{host}") == place(url)
    except ValueError:  # no port or address that there is
        return False


def place(url):
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]


def under_route(route, method, path):
    """Whether a request falls under "METHODS path": {name} is a segment, a last * the rest.

    Only a {+name} may hold an escaped slash; a * that means itself is written %2A.
    """
    methods, _, pattern = route.partition(" ")
    methods = methods.split(",")
    if method not in methods and not (method == "HEAD" and "GET" in methods):
        return False
    parts = []
    for segment in pattern.split("/")[1:]:
        name = re.fullmatch(r"\{(\+?)\w+\}([:.].*)?", segment)
        value = "[^/]+" if name and name[1] else "(?:(?!%2F)[^/])+"
        parts.append(value + re.escape(name[2] or "") if name else re.escape(segment))
    if pattern.endswith("/*"):
        parts[-1] = ".*"
    sent = path.replace("*", "%2A")
    return is_canonical(path) and re.fullmatch("/" + "/".join(parts), sent) is not None


def is_canonical(path):
    """Whether the gate would send this path: two servers cannot read it differently."""
    if re.search(r"//|(/|%2F)\.{1,2}(/|%2F|$)|%5C|%25[0-9A-F]{2}", path):
        return False
    pieces = re.split(r"[/!$&'()*+,=:@|\[\]]", path)
    if any(quote(unquote_to_bytes(piece), safe="") != piece for piece in pieces):
        return False
    try:
        return not re.search(r"[\x00-\x1f\x7f-\x9f]", unquote(path, errors="strict"))
    except UnicodeDecodeError:
        return False
