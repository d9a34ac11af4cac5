// Package origin tells an origin behind Edgewarden who calls, with Go's standard library alone.
//
//	agents := &origin.Verifier{Gate: "https://api.example.com", Audience: "https://origin.example.com"}
//	claims, err := agents.Verify(r)
package origin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// ErrRefused is answered 401, ErrUnavailable 503.
var (
	ErrRefused     = errors.New("the assertion is missing, or not for this request")
	ErrUnavailable = errors.New("the gate's keys cannot be had")
)

// Claims are what the gate says. An agent is Sub together with AgentIss.
type Claims struct {
	Iss, Aud, Jti, Sub, Route, Scope, Grant, Possession string
	Htm, Htu, Htq, Bdh                                  string
	AgentIss                                            string `json:"agent_iss"`
	AgentSub                                            string `json:"agent_sub"`
	ClientID                                            string `json:"client_id"`
	Iat, Exp                                            float64
}

// Verifier checks ES256 assertions. Make one per process: it keeps the gate's keys.
type Verifier struct {
	Gate, Audience string // GATE.resource, and the origin as the policy writes it
	JWKS           string // by default /.edgewarden/jwks.json of the gate
	Binding        string // what is demanded: "", "request" or "body"
	// HostHeader says which host the gate has asked for, where a proxy rewrites Host and writes that header itself;
	// "-" where nothing does.
	HostHeader string
	// Replays, if set, says true to the first who asks for a jti, and to nobody else until expires.
	Replays func(jti string, expires time.Time) bool

	mu             sync.Mutex
	keys           map[string]*ecdsa.PublicKey
	fetched, asked time.Time
	failed         bool
}

const (
	leeway   = 5 // seconds
	mostBody = 1 << 20
)

var client = &http.Client{
	Timeout:       5 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Verify checks a request's assertion. The body can still be read after it.
func (v *Verifier) Verify(r *http.Request) (*Claims, error) {
	values := r.Header.Values("X-Agent-Assertion")
	if len(values) != 1 {
		return nil, ErrRefused
	}
	parts := strings.Split(values[0], ".")
	if len(parts) != 3 {
		return nil, ErrRefused
	}
	var header map[string]any
	if !decode(parts[0], &header) || header["typ"] != "agent-assertion+jwt" || header["alg"] != "ES256" {
		return nil, ErrRefused
	}
	for _, name := range []string{"crit", "b64", "jwk", "jku", "x5u", "x5c"} {
		if _, there := header[name]; there {
			return nil, ErrRefused
		}
	}
	kid, _ := header["kid"].(string)
	key, err := v.key(kid)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || len(signature) != 64 || !ecdsa.Verify(key, digest[:],
		new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return nil, ErrRefused
	}
	var c Claims
	if !decode(parts[1], &c) || !v.isGood(&c, r) {
		return nil, ErrRefused
	}
	return &c, nil
}

func (v *Verifier) isGood(c *Claims, r *http.Request) bool {
	now := float64(time.Now().UnixMilli()) / 1000
	path, query, _ := strings.Cut(r.RequestURI, "?") // as they were sent: r.URL has some of it decoded
	bound := map[string]int{"request": 1, "body": 2}[v.Binding]
	if c.Iss != v.Gate || c.Aud != v.Audience || c.Sub == "" || c.AgentIss == "" || c.Jti == "" ||
		now >= c.Exp+leeway || c.Iat > now+leeway || c.Exp-c.Iat > 60 ||
		!UnderRoute(c.Route, r.Method, path) ||
		(c.Htm == "") != (c.Htu == "") || (c.Htq+c.Bdh != "" && c.Htm == "") || !v.isAtHost(c, r) ||
		(bound > 0 && c.Htm == "") || (bound > 1 && c.Bdh == "") {
		return false
	}
	if c.Htm == "" {
		return true
	}
	sent, err := url.Parse(c.Htu)
	if err != nil || c.Htm != r.Method || c.Htu != sent.Scheme+"://"+sent.Host+path {
		return false
	}
	if own, err := url.Parse(v.Audience); strings.HasPrefix(v.Audience, "http") &&
		(err != nil || place(sent) != place(own)) {
		return false
	}
	if (query == "") != (c.Htq == "") || (c.Htq != "" && digest([]byte(query)) != c.Htq) {
		return false
	}
	if c.Bdh != "" {
		body, err := io.ReadAll(io.LimitReader(r.Body, mostBody+1))
		if err != nil || len(body) > mostBody || digest(body) != c.Bdh {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return v.Replays == nil || v.Replays(c.Jti, time.UnixMilli(int64((c.Exp+leeway)*1000)))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isAtHost says whether a request came to the host that its assertion names.
func (v *Verifier) isAtHost(c *Claims, r *http.Request) bool {
	named := c.Htu
	if named == "" {
		named = v.Audience
	}
	host := r.Host
	if v.HostHeader != "" {
		host = strings.Join(r.Header.Values(v.HostHeader), ",")
	}
	want, err := url.Parse(named)
	if v.HostHeader == "-" || !strings.HasPrefix(named, "http") {
		return true
	}
	if err != nil || !plainHost.MatchString(host) {
		return false
	}
	given, err := url.Parse(want.Scheme + "://" + host)
	return err == nil && place(given) == place(want)
}

func place(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// key asks for an unknown key once in 30 seconds, and keeps known ones for a day in an outage.
func (v *Verifier) key(kid string) (*ecdsa.PublicKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	wait := 30 * time.Second
	if v.keys == nil {
		wait = 5 * time.Second
	}
	known := v.keys[kid] != nil && time.Since(v.fetched) < 10*time.Minute
	if !known && time.Since(v.asked) >= wait {
		v.asked = time.Now()
		keys := v.fetch()
		if v.failed = keys == nil; !v.failed {
			v.keys, v.fetched = keys, v.asked
		}
	}
	key := v.keys[kid]
	if time.Since(v.fetched) >= 24*time.Hour || (key == nil && v.failed) {
		return nil, ErrUnavailable
	}
	if key == nil {
		return nil, ErrRefused
	}
	return key, nil
}

func (v *Verifier) fetch() map[string]*ecdsa.PublicKey {
	address := v.JWKS
	if gate, err := url.Parse(v.Gate); err == nil && address == "" {
		address = gate.Scheme + "://" + gate.Host + "/.edgewarden/jwks.json"
	}
	response, err := client.Get(address)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var set struct {
		Keys []struct{ Kid, Kty, Crv, X, Y string }
	}
	if response.StatusCode != 200 || json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&set) != nil {
		return nil
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if k.Kid == "" || k.Kty != "EC" || k.Crv != "P-256" || errX != nil || errY != nil {
			continue
		}
		key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if _, err := key.ECDH(); err == nil { // a point on the curve
			keys[k.Kid] = key
		}
	}
	return keys
}

func decode(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

var (
	plainHost = regexp.MustCompile(`^([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$`)
	parameter = regexp.MustCompile(`^\{(\+?)\w+\}([:.].*)?$`)
	// What the gate never sends, because two servers could read it differently: empty and dot
	// segments, and escapes of control characters, of "\", of unreserved characters or of escapes.
	ambiguous = regexp.MustCompile(`//|(/|%2F)\.{1,2}(/|%2F|$)|%25[0-9A-F]{2}|` +
		`%([01]|2[DE]|3[0-9]|4[1-9A-F]|5[0-9ACF]|6[1-9A-F]|7[0-9AEF]|C2%[89])`)
	plain = regexp.MustCompile(`^/([A-Za-z0-9._~!$&'()*+,=:@/|\[\]-]|%[0-9A-F]{2})*$`)
)

// UnderRoute says whether a request falls under "METHODS path": {name} is a segment, a last * the rest. Only a
// {+name} may hold an escaped slash; a * that means itself is written %2A.
func UnderRoute(route, method, path string) bool {
	names, pattern, _ := strings.Cut(route, " ")
	isNamed := false
	for _, name := range strings.Split(names, ",") {
		isNamed = isNamed || name == method || (name == "GET" && method == "HEAD")
	}
	text, err := url.PathUnescape(path)
	if !isNamed || err != nil || !utf8.ValidString(text) || !plain.MatchString(path) || ambiguous.MatchString(path) {
		return false
	}
	want, given := strings.Split(pattern, "/"), strings.Split(strings.ReplaceAll(path, "*", "%2A"), "/")
	for i, segment := range want {
		if i > 0 && i == len(want)-1 && segment == "*" {
			return len(given) >= len(want)
		}
		if i >= len(given) {
			return false
		}
		if match := parameter.FindStringSubmatch(segment); match != nil {
			hasSlash := match[1] == "" && strings.Contains(given[i], "%2F")
			if hasSlash || len(given[i]) <= len(match[2]) || !strings.HasSuffix(given[i], match[2]) {
				return false
			}
		} else if segment != given[i] {
			return false
		}
	}
	return len(given) == len(want)
}
