import { useEffect, useState } from 'preact/hooks'
import { distance } from '../../../gate/policy/reading/issues.ts'
import { pageOf } from './decisions.ts'
import { html } from './html.ts'
import { agentPlace, Failure, Link } from './parts.ts'
import { RANGES } from './plot.ts'
import {
  address,
  ask,
  go,
  has,
  type Json,
  list,
  nameText,
  operator,
  type Problem,
  place,
  text,
  time,
} from './state.ts'

/** Most agents of one answer, most names that are near, and the most different characters of a name that was meant. */
const [AGENTS, NEAR, FAR] = [200, 5, 3]

/** What a text means, and where that is shown. */
interface Meaning {
  readonly says: string
  readonly to: string
}

/**
 * What was found. `problems`: why something could not be searched. `left`: what was not searched, or not to its end.
 * `isWhole`: whether all was searched to its end that the operator may read.
 */
interface Result {
  readonly meanings: readonly Meaning[]
  readonly near: readonly Meaning[]
  readonly problems: readonly Problem[]
  readonly left: readonly string[]
  readonly isWhole: boolean
}

const NONE: Json = {}

/** The gate says with these codes that it has nothing of this name. */
const NOTHING = ['decision_unknown', 'decision_query_invalid', 'agent_invalid', 'route_unknown']

/** The list of decisions with a filter, over a time in which the latest one is that was found. */
const decisionsAt = (filter: Json, latest: Json): string => {
  const age = (Date.now() - Date.parse(text(latest.time))) / 1000
  const [range] = Object.entries(RANGES).find(([, [, seconds]]) => seconds > age) ?? []
  const from = time(latest.time).slice(0, 19).replace(' ', 'T')
  const isOwn = text(latest.route).includes(` ${text(operator.value?.prefix)}/`)
  const when = range === undefined ? { from } : { range }
  return address('/decisions', { ...when, ...filter, own: isOwn ? 'true' : undefined })
}

const ofRule = (rule: string): Meaning => ({
  says: `Rule ${rule}`,
  to: address('/decisions', { range: '1d', rule }),
})
const ofCode = (code: string): Meaning => ({
  says: `Code ${code}`,
  to: address('/decisions', { range: '1d', code }),
})
const nameOf = (one: Json) => nameText(one.agent_name ?? one.agent)
const ofAgent = (one: Json): Meaning => ({
  says: `Agent ${nameOf(one)} of ${text(one.issuer)}`,
  to: agentPlace(one),
})

/** How many characters of a name are others than those that were typed; 0 if the name has all that was typed. */
const stepsTo = (wanted: string, name: string) =>
  name.toLowerCase().includes(wanted.toLowerCase())
    ? 0
    : distance(wanted, name, Math.min(FAR, Math.ceil(wanted.length / 3)))

const nearest = (wanted: string, names: readonly string[]): readonly string[] =>
  names
    .flatMap((name) => {
      const steps = stepsTo(wanted, name)
      return steps === undefined ? [] : { name, steps }
    })
    .sort((one, other) => one.steps - other.steps)
    .slice(0, NEAR)
    .map(({ name }) => name)

/** Looks for all that a text can mean, in what the operator may read. Compares whole texts. */
async function lookFor(wanted: string): Promise<Result> {
  const problems: Problem[] = []
  const left: string[] = []
  let isWhole = true
  const kept = (problem: Problem | undefined) => {
    if (problem && !NOTHING.includes(problem.code)) problems.push(problem)
  }
  const may = (scope: string, what: string) => {
    if (!has(scope)) left.push(`${what}: that needs the scope edgewarden:${scope}`)
    return has(scope)
  }
  const read = async (path: string): Promise<Json> => {
    const { value = {}, problem } = await ask(path)
    kept(problem)
    return value
  }
  const stopped = (what: string) => {
    isWhole = false
    if (!left.includes(what)) left.push(what)
  }
  const agentsOf = (find: string) => read(address('/api/agents', { find, limit: AGENTS }))
  const isAudit = may('audit:read', 'decisions')
  const isRegistry = may('agents', 'the registry of agents')
  const isPolicy = may('read', 'rules')
  const latest = async (filter: Json) => {
    if (!isAudit) return {}
    const { rows, problem, cursor } = await pageOf(filter, null, 1)
    kept(problem)
    if (rows.length === 0 && cursor !== undefined) stopped('older decisions')
    const several = list(problem?.problems).find(({ message }) => /several/.test(text(message)))
    return { row: rows[0], several }
  }
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(wanted)
  const [request, subject, token, shown, raw, record, registry, policy, codes] = await Promise.all([
    latest({ request_id: wanted }),
    latest({ subject: wanted }),
    latest({ jti: wanted }),
    latest({ agent_name: wanted }),
    latest({ agent: wanted }),
    isId && isAudit ? read(`/api/decisions/${wanted}`) : NONE,
    isRegistry ? agentsOf(wanted) : NONE,
    isPolicy ? read('/api/policy') : NONE,
    read('/codes.json'),
  ])
  if (registry.cursor !== undefined) stopped('all agents whose id begins so')
  const rules = [...new Set(list(policy.routes).map(({ match }) => text(match)))]
  const isIt = (one: Json) => one.agent === wanted || one.agent_name === wanted
  const known = list(registry.agents).filter(isIt)
  const others = [shown, raw].flatMap(({ row, several }) => {
    if (several && known.length < 2) {
      const to = address('/decisions', { agent_id: wanted })
      return { says: `Agent ${wanted}: ${text(several.message)}`, to }
    }
    const isKnown = known.some((one) => one.agent === row?.agent && one.issuer === row?.issuer)
    if (!row || isKnown) return []
    const filter = { agent_id: row.agent, issuer: row.issuer }
    return { says: `Agent ${nameOf(row)} of ${text(row.issuer)}`, to: decisionsAt(filter, row) }
  })
  const of = (says: string, filter: Json, { row }: { row?: Json | undefined }) =>
    row ? [{ says: `${says} ${wanted}`, to: decisionsAt(filter, row) }] : []
  const decision = { says: `Request ${wanted}`, to: `/decisions/${encodeURIComponent(wanted)}` }
  const all: Meaning[] = [
    ...(request.row || record.decision ? [decision] : []),
    ...known.map(ofAgent),
    ...others,
    ...of('Subject', { subject: wanted }, subject),
    ...of('Token id', { jti: wanted }, token),
    ...rules.filter((rule) => rule === wanted).map(ofRule),
    ...(Object.hasOwn(codes, wanted) ? [ofCode(wanted)] : []),
  ]
  const meanings = [...new Map(all.map((one) => [one.to, one])).values()]
  if (meanings.length > 0) return { meanings, near: [], problems, left, isWhole }
  const half = wanted.slice(0, Math.ceil(wanted.length / 2))
  const about = isRegistry ? list((await agentsOf(half)).agents) : []
  const isNear = (one: Json) =>
    [one.agent, one.agent_name ?? one.agent].some(
      (name) => stepsTo(wanted, text(name)) !== undefined,
    )
  const near = [
    ...about.filter(isNear).slice(0, NEAR).map(ofAgent),
    ...nearest(wanted, rules).map(ofRule),
    ...nearest(wanted, Object.keys(codes)).map(ofCode),
  ]
  return { meanings, near, problems, left, isWhole }
}

const links = (of: readonly Meaning[]) =>
  html`<ul>${of.map(({ says, to }) => html`<li><${Link} to=${to}>${says}<//></li>`)}</ul>`

/** Nothing has this name: the nearest ones, and what else one can do. */
function Nothing({ wanted, near }: { readonly wanted: string; readonly near: readonly Meaning[] }) {
  return html`<div class="notice warn"><p><strong>Nothing is named <code>${nameText(wanted)}</code>.</strong> Names are compared whole, with upper and lower case.</p>
    ${near.length > 0 && html`<p>Near to it:</p>${links(near)}`}
    <p>If it is the id of a request that was just sent, <${Link} to=${`/decisions/${encodeURIComponent(wanted)}`}>wait until it is stored<//>.</p></div>`
}

/** What the text of the address means: goes there if that is one thing, and asks if there are several. */
function Meanings({ wanted }: { readonly wanted: string }) {
  const [result, setResult] = useState<Result | undefined>(undefined)
  const [tries, setTries] = useState(0)
  useEffect(() => {
    let isOver = false
    setResult(undefined)
    void lookFor(wanted).then((found) => {
      if (isOver) return
      const [one, ...others] = found.meanings
      const isAll = found.isWhole && found.problems.length + others.length === 0
      if (one && isAll) go(one.to, false)
      else setResult(found)
    })
    return () => {
      isOver = true
    }
  }, [place.value, tries])
  if (!result) return html`<p aria-busy="true">Looking for <code>${nameText(wanted)}</code>…</p>`
  const { meanings, near, problems, left } = result
  const again = () => setTries(tries + 1)
  return html`<div role="status">${
    meanings.length > 0
      ? html`<p>${meanings.length > 1 ? 'Several things are named' : 'One thing is named'} <code>${nameText(wanted)}</code>:</p>${links(meanings)}`
      : problems.length === 0 && html`<${Nothing} wanted=${wanted} near=${near} />`
  }${left.length > 0 && html`<p>Not searched:</p><ul>${left.map((one) => html`<li>${one}</li>`)}</ul>`}
    </div>${problems.slice(0, 1).map((problem) => html`<${Failure} problem=${problem} again=${again} />`)}`
}

/** The answer to a search. */
export function Found() {
  const wanted = place.value.searchParams.get('text')?.trim() ?? ''
  return html`<h1>Search</h1>${
    wanted
      ? html`<${Meanings} key=${wanted} wanted=${wanted} />`
      : html`<p class="empty">Enter a request id, an agent, a subject, a token id, a rule or a code above.</p>`
  }`
}
