import { describe, expect, it } from 'vitest'
import { mistakeOf } from './support.ts'

const many = (count: number, text: string, between: string) => Array(count).fill(text).join(between)

/** A condition, and a part of what is said of it. */
const REFUSED = `
((((((((((((((((((((((((((((((((((((((((true)))))))))))))))))))))))))))))))))))))))) → maxDepth
[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] == [] → maxDepth
token.a.exists(x, token.b.exists(y, x == y)) → one list is iterated inside another
token.a.map(x, [x, x]).exists(y, true) → one list is iterated inside another
[[token.a].map(x, x + x)[0]].map(y, y + y)[0] == "" → one list is iterated
"a" * 1000000 == "" → no such overload: string * int
token.a.matches("(a+)+$") → repeats a group
token.a.matches("(?=a)a") → look-around
token.a.matches("(?i)a") → sets flags
token.a.matches(token.b) → written out
token.a.matches("a" + "b") → written out
token.a.matches("^a|b") → group around the choices
duration(token.a) < duration("1s") → duration that is written out
duration("1 hour") < duration("1s") → duration that is written out
now + duration("999999999h") > now → at most 10,000 years
now - duration("-87659999h60m1s") > now → at most 10,000 years
now < timestamp("2026-02-30T00:00:00Z") → a time like
now < timestamp("tomorrow, at noon, or so") → a time like
now.getHours("Mars/Olympus") < 8 → is not a time zone
now.getHours(token.zone) < 8 → written out
inNetwork(request.ip, "10.0.0.0/33") → length
inNetwork(request.ip, ["10.0.0.0/8", "ten"]) → is not a network
inNetwork(request.ip, "10.0.0.1/8") → behind its first 8
user.id == "a" → at character 1: unknown variable \`user\`
now.sleep(1) → unknown function \`sleep\`
size(token.a, 1) > 1 → size() is not called like this
true && agent.role == "a" → at character 15: unknown member of agent \`role\`
has(agent.role) → unknown member of agent
request.body == "" → unknown member of request \`body\`
agent.actor.iss == "a" → unknown member of agent.actor \`iss\`
has(agent.actor.iss) → unknown member of agent.actor
now.hour < 18 → Timestamp has no such member
now["hour"] < 18 → Timestamp has no such member
!has(now.weekend) → Timestamp has no such member
timestamp(token.a).foo == 1 → Timestamp has no such
(now - now).x == 1 → Duration has no such member
(now - now).__proto__ == 1 → Duration has no such member
agent.id.foo == "a" → Cannot index type 'string'
has(request.ip.x) → Cannot index type 'string'
has(request.params.id.x) → Cannot index type 'string'
agent.depth["x"] == 1 → Cannot index type 'int'
has(token.a) && true.x → Cannot index type 'bool'
has(agent.scopes.x) → List index must be int
agent.scopes.all(x, has(x.y)) → Cannot index type
token.a == {"prototype": 1} → cannot have this key
token.a == {"__proto__": 1} → cannot have this key
token.a == {"b": 1, "b": 2} → cannot have this key, or has it twice: \`b\`
token.a == {token.b: 1} → keys of a map are texts
token.a == {"con" + "structor": 1} → keys of a map are texts
token.a in {true: 1} → keys of a map are texts
request.params[1] == "a" → map<string, string> has no such
agent.actors[1].sub == "a" → unknown member of agent \`actors\`
request.headers["x-other"] == "" → unknown header \`x-other\`
"x-other" in request.headers → unknown header
has(request.headers.accept) → unknown header
request.query.page == "1" → unknown query parameter
token == token → read by name
token[agent.id] == 1 → read by name
[request].exists(r, true) → read by name
token.a.exists(agent, true) → is already a variable
token.a.exists(1, true) → invalid predicate iteration variable
1 → has a result of type int
"true" → has a result of type string
[true] → has a result of type list
request.path == 1 → no such overload: string == int
request.path && true → \`request.path\` has a result of type string
request.asn == "3320" → no such overload: int == string
now.matches("a") → google.protobuf.Timestamp where string
token.a in [1, "a"] → same type
b"a" == b"a" → not part of conditions
1u == 1u → not part of conditions
bytes(token.a) == bytes(token.b) → unknown function \`bytes\`
bytes(token.a).json() == {} → unknown function
cel.bind(x, token.a, x == x) → unknown function \`bind\`
type(token.a) == string → unknown function \`type\`
dyn(1) == "a" → unknown function \`dyn\`
google.protobuf.Timestamp == now → unknown variable \`google\`
token.?a == 1 → Expected IDENTIFIER
__proto__ == 1 → Reserved identifier
token.a == → at character 11: Unexpected token: the end
true true → at character 6: Unexpected
agent.id = "a" → at character 10: to compare, write ==, and not =
agent.id === "a" → at character 12: to compare, write ==, and not =
agent.id <> "a" → at character 11: to compare, write !=, and not <>
true and true → at character 6: write && in place of and
true OR true → at character 6: write || in place of or
true & true → at character 6: write && in place of &
true | true → at character 6: write || in place of |
not true → at character 5: write ! in place of not
true && not(true) → write ! in place of not
"a → Unterminated
1e999 > 1.0 → Invalid number
token.a != 1234567890123456784 → is not an exact number
token.a == -9007199254740992 → is not an exact number
token.a == 0x20000000000000 → is not an exact number
request.headers.all(h, h == "a") → only a list can be iterated, not a map
{"a": 1}.exists(k, k == token.a) → only a list can be iterated, not a map
agent.actor.map(k, k) == ["sub"] → only a list can be iterated, not a map
`

describe('a condition is refused at load', () => {
  const rows = REFUSED.trim()
    .split('\n')
    .map((line) => line.split(' → ') as [string, string])

  it.each<[string, string]>([
    [`true || "${'a'.repeat(2_000)}" == ""`, 'characters, over 2000'],
    [many(129, 'true', '&&'), 'maxAstNodes'],
    [`${'!'.repeat(1_990)}true`, 'maxAstNodes'],
    [`[${many(10, 'token.a', ' + ')}].exists(x, x == "")`, 'over 8 +'],
    [`token.a.exists(x, ${many(5, 'inNetwork(x, token.b)', '||')})`, 'steps, over 16000'],
    ['token.a.exists(x, x.matches("a{100}"))', 'steps, over 16000'],
    [String.raw`token.a.matches(r"(a)\1")`, 'back-reference'],
    ['', 'Unexpected token: the end'],
    ...rows,
  ])('%.60s: %s', (source, says) => {
    expect(mistakeOf(source)).toContain(says)
  })

  it('and says so on one line, briefly', () => {
    const long = mistakeOf(`${'a'.repeat(1_900)} == "\n\u0007"`)
    expect(long.length).toBeLessThan(500)
    expect(mistakeOf('"a\n" == 1 \u0007 x')).toMatch(/^[\x20-\x7e]+$/)
  })
})
