import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { html } from './html.ts'
import { Badge, Failure, Gap, Link } from './parts.ts'
import { Plot, RANGES, type Span, spanOf, useCounts } from './plot.ts'
import { Rows } from './rows.ts'
import {
  address,
  ask,
  go,
  has,
  isOffline,
  isUtc,
  type Json,
  list,
  type Problem,
  place,
  refresh,
  text,
  textsOf,
} from './state.ts'

/** Most decisions in the page, and on a page of the gate. */
const MOST = 5_000
const LIMIT = 100
/** Most calls for one page: pages of the gate may be short. */
const TRIES = 10
/** A record may be stored so many milliseconds after a newer one. */
const LATE_MS = 60_000

/** The filters by their name in the address: the parameter of the gate, and the words of the page. */
const FILTERS: Readonly<Record<string, readonly [parameter: string, label: string]>> = {
  agent: ['agent_name', 'Agent'],
  rule: ['rule', 'Rule'],
  code: ['code', 'Code'],
  issuer: ['issuer', 'Issuer'],
  agent_id: ['agent', 'Id from the issuer'],
  subject: ['subject', 'Subject'],
  workflow: ['workflow', 'Workflow'],
  jti: ['jti', 'Token id'],
  request_id: ['request_id', 'Request'],
}
/** Filters that are always seen. */
const FIRST = ['agent', 'rule', 'code']
const MORE = Object.keys(FILTERS).filter((name) => !FIRST.includes(name))
const DECISIONS = { '': 'all answers', allowed: 'allowed', denied: 'refused' }
const KINDS = { '': 'all', act: 'acts', policy: 'deployments', read: 'reads of the audit' }

/** The filters of an address, as the gate takes them. */
const queryOf = (search: URLSearchParams): Json => ({
  ...Object.fromEntries(
    [...Object.entries(FILTERS), ['decision', ['decision']], ['kind', ['kind']]].flatMap(
      ([name, [parameter]]) => {
        const value = search.get(String(name))
        return value ? [[parameter, value]] : []
      },
    ),
  ),
  // Reads are calls of the gate's own endpoints.
  own: search.has('own') || search.get('kind') === 'read' ? undefined : 'false',
})

/** A moment that was typed, in seconds since the epoch, in the zone of the page. */
const typed = (value: string | null): number | undefined => {
  const ms = value ? Date.parse(isUtc.value ? `${value}Z` : value) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms / 1000
}

/** The time that an address asks for. */
const timesOf = (search: URLSearchParams): Span => {
  const from = typed(search.get('from'))
  const until = typed(search.get('until'))
  const span = from === undefined ? spanOf(search.get('range') ?? '') : { from }
  return until === undefined ? span : { ...span, until }
}

/** A page of decisions: so many calls until it is full. `cursor`: where older ones begin. */
interface Found {
  readonly rows: readonly Json[]
  readonly gap?: Json | undefined
  readonly cursor?: unknown
  readonly problem?: Problem | undefined
}

/** Reads a page of so many decisions. */
export async function pageOf(query: Json, first: string | null, most = LIMIT): Promise<Found> {
  const rows: Json[] = []
  let cursor: unknown = first ?? undefined
  let gap: Json | undefined
  let isFirst = first === null
  for (let tries = 0; tries < TRIES && rows.length < most; tries++) {
    const limit = most - rows.length
    const { value, problem } = await ask(address('/api/decisions', { ...query, limit, cursor }))
    if (problem) return { rows, problem }
    rows.push(...list(value?.decisions))
    gap ??= list(value?.dropped)[0]
    cursor = value?.cursor
    if (cursor === undefined) break
    isFirst = false
  }
  if (rows.length === 0 && cursor === undefined && !isFirst) {
    // Only an answer of one empty page says that a name is unknown. Nothing is stored of the time from now.
    const { until: _, ...filters } = query
    const now = { ...filters, from: Date.now() / 1000, limit: 1 }
    const { problem } = await ask(address('/api/decisions', now))
    if (problem) return { rows, problem }
  }
  return { rows, gap, cursor }
}

const STATES = {
  opening: ['none', 'Connecting…'],
  open: ['allowed', 'Live'],
  lost: ['denied', 'Connection lost. Trying again…'],
  paused: ['none', 'Paused'],
} as const

/** A page of decisions, and new ones as they come while it `isLive`. */
function useDecisions(query: Json, cursor: string | null, isLive: boolean) {
  const [found, setFound] = useState<Found | undefined>(undefined)
  const [state, setState] = useState<keyof typeof STATES>('paused')
  const [tries, setTries] = useState(0)
  const kept = useRef<readonly Json[]>([])
  const key = address('', { ...query, cursor })
  const again = () => setTries((before) => before + 1)
  useEffect(() => {
    let isOver = false
    setFound(undefined)
    void pageOf(query, cursor).then((page) => {
      if (isOver) return
      kept.current = page.rows
      setFound(page)
    })
    return () => {
      isOver = true
    }
  }, [key, tries])
  const isReady = found !== undefined && !found.problem
  useEffect(() => {
    setState(isLive ? 'opening' : 'paused')
    if (!isReady || !isLive) return
    let waiting: Json[] = []
    const known = new Set(kept.current.map(({ id }) => id))
    const since = Date.parse(text(kept.current[0]?.time)) - LATE_MS
    // The stream begins before the newest decision of the list, so it may repeat decisions.
    const from = since ? since / 1000 : query.from
    const source = new EventSource(address('/api/decisions/live', { ...query, from }))
    let retry: ReturnType<typeof setTimeout> | undefined
    source.onopen = () => {
      isOffline.value = !navigator.onLine
      setState('open')
    }
    source.onerror = () => {
      setState('lost')
      void refresh()
      // After a refusal the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(again, 5_000)
    }
    source.onmessage = ({ data }) => {
      const row = JSON.parse(data) as Json
      if (!known.has(row.id)) waiting.push(row)
      if (known.size > 2 * MOST) known.clear()
      known.add(row.id)
    }
    source.addEventListener('dropped', ({ data }) =>
      setFound((before) => before && { ...before, gap: JSON.parse(data) }),
    )
    // Decisions that come close together are drawn at once.
    const timer = setInterval(() => {
      if (waiting.length === 0) return
      kept.current = [...waiting.reverse(), ...kept.current]
        .toSorted((one, other) => text(other.time).localeCompare(text(one.time)))
        .slice(0, MOST)
      waiting = []
      setFound((before) => before && { ...before, rows: kept.current })
    }, 250)
    return () => {
      source.close()
      clearTimeout(retry)
      clearInterval(timer)
    }
  }, [isReady, isLive, key, tries])
  return { found, state: isOffline.value && state !== 'paused' ? 'lost' : state, again } as const
}

const choice = (name: string, label: string, chosen: string, options: Json) =>
  html`<label>${label}<select name=${name} value=${chosen}>${Object.entries(options).map(([value, words]) => html`<option value=${value}>${words}</option>`)}</select></label>`

/** The fields of a filter, which the address keeps. */
function Filters({ search }: { readonly search: URLSearchParams }) {
  const filter = (event: Event) => {
    const given = Object.entries(textsOf(event)).filter(([, value]) => value.trim())
    const members = Object.fromEntries(given.map(([name, value]) => [name, value.trim()]))
    const live = search.get('live') ?? undefined
    go(address('/decisions', { ...members, live }), false)
  }
  const field = (name: string) =>
    html`<label>${FILTERS[name]?.[1]}<input name=${name} defaultValue=${search.get(name) ?? ''} /></label>`
  const moment = (name: string, label: string) =>
    html`<label>${label}<input type="datetime-local" step="1" name=${name} defaultValue=${search.get(name) ?? ''} /></label>`
  const names = Object.fromEntries(Object.entries(RANGES).map(([name, [words]]) => [name, words]))
  const isOpen = [...MORE, 'kind', 'from', 'until'].some((name) => search.get(name))
  return html`<form class="filters" aria-label="Filters" onChange=${filter} onSubmit=${filter} key=${search.toString()}>
    ${choice('range', 'Time', search.get('range') ?? '1h', names)}
    ${choice('decision', 'Answer', search.get('decision') ?? '', DECISIONS)}
    ${FIRST.map(field)}
    <details open=${isOpen}><summary>More filters</summary><div class="filters">
      ${MORE.map(field)}${choice('kind', 'Kind', search.get('kind') ?? '', KINDS)}
      ${moment('from', 'From, in place of the time')}${moment('until', 'Until')}
      <label><input type="checkbox" name="own" value="true" checked=${search.has('own')} />With the gate's own calls</label>
    </div></details></form>`
}

/** What one can do where nothing was found. */
function Nothing({ search, isMore }: { search: URLSearchParams; isMore: boolean }) {
  if (isMore)
    return html`<p class="empty">Nothing here yet: the search goes on with older ones.</p>`
  const isFiltered = [...search.keys()].some((name) => !['range', 'live'].includes(name))
  const longer = Object.keys(RANGES)
  const next = longer[longer.indexOf(search.get('range') ?? '1h') + 1]
  const wider = next && address('/decisions', { ...Object.fromEntries(search), range: next })
  return html`<p class="empty">${isFiltered ? 'No decision fits the filter' : 'No decision'} in this time.
    ${wider && !search.has('from') && html` <${Link} to=${wider}>Look at the ${RANGES[next]?.[0]}<//>.`}
    ${isFiltered ? html` <${Link} to="/decisions">Remove the filter<//>.` : ' Send a request through the gate, and it appears here.'}</p>`
}

/** How many pages older than the newest one is, as far as this tab has turned them. */
let pages = 0
const newer = () => {
  pages--
  history.back()
}

/** Stored decisions: a filter at the gate, a plot of it, older and newer ones, and new ones as they come. */
export function Decisions() {
  const { searchParams: search, search: key } = place.value
  const { query, span } = useMemo(() => {
    const span = timesOf(search)
    return { span, query: { ...queryOf(search) } }
  }, [key, isUtc.value])
  const cursor = search.get('cursor')
  const isNewest = cursor === null && span.until === undefined
  const isLive = isNewest && search.get('live') !== 'off'
  const counts = useCounts(query, span, 'rule')
  const { found, state, again } = useDecisions({ ...query, ...span }, cursor, isLive)
  const [shape, word] = STATES[state]
  if (!has('audit:read')) {
    return html`<h1>Decisions</h1><p class="empty">Decisions need the scope edgewarden:audit:read.</p>`
  }
  const to = (members: Json) => address('/decisions', { ...Object.fromEntries(search), ...members })
  const older = found?.cursor
  if (cursor === null) pages = 0
  const turn = () => {
    pages++
    go(to({ cursor: older }))
  }
  const gap = found?.gap
  return html`<h1>Decisions</h1>
    <${Filters} search=${search} />
    <${Plot} of=${counts} />
    <p class="bar">${
      isNewest &&
      html`<button type="button" role="switch" class="quiet" aria-checked=${isLive}
        onClick=${() => go(to({ live: isLive ? 'off' : undefined }), false)}>New ones as they come</button>`
    }
      <span role="status"><${Badge} state=${shape}>${word}<//></span></p>
    ${gap && html`<${Gap} of=${gap} />`}
    ${found?.problem && html`<${Failure} problem=${found.problem} again=${again} />`}
    ${!found && html`<p aria-busy="true">Asking for decisions…</p>`}
    ${
      found && found.rows.length > 0
        ? html`<${Rows} rows=${found.rows} />`
        : found &&
          !found.problem &&
          html`<${Nothing} search=${search} isMore=${older !== undefined} />`
    }
    <p class="bar">${cursor !== null && html`<${Link} to=${to({ cursor: undefined })}>Newest<//>`}
      ${cursor !== null && pages > 0 && html`<button type="button" class="quiet" onClick=${newer}>Newer</button>`}
      ${older !== undefined && html`<button type="button" class="quiet" onClick=${turn}>Older</button>`}</p>`
}
