import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Link, Moment, Pending, useAnswer } from './parts.ts'
import {
  address,
  go,
  has,
  isOffline,
  type Json,
  list,
  nameText,
  operator,
  place,
  refresh,
  text,
  textsOf,
  time,
} from './state.ts'

/** Most decisions in the page. */
const MOST = 5_000
/** Pixels of a row. On a phone it has two lines, as style.css says. */
const ROW = matchMedia('(max-width: 40rem)').matches ? 64 : 40
const FILTERS = ['agent', 'issuer', 'rule', 'code', 'decision']
/** A record may be stored so many milliseconds after a newer one. */
const LATE_MS = 60_000

/** The filters of the page, as the gate takes them. An agent is named as it is shown. */
const queryOf = (search: URLSearchParams): Json =>
  Object.fromEntries(
    [...search]
      .filter(([name, value]) => FILTERS.includes(name) && value)
      .map(([name, value]) => [name === 'agent' ? 'agent_name' : name, value]),
  )

const STATES = {
  opening: 'Connecting…',
  open: 'Live',
  lost: 'Connection lost. Trying again…',
  paused: 'Paused',
} as const

/** Decisions that match a query: those that are stored, then new ones as they come. `gap`: what was not stored. */
function useDecisions(query: Json, isPaused: boolean) {
  const kept = useRef<readonly Json[]>([])
  const [rows, setRows] = useState<readonly Json[]>([])
  const [state, setState] = useState<keyof typeof STATES>('opening')
  const [gap, setGap] = useState<Json | undefined>(undefined)
  const stored = useAnswer(has('audit:read') && address('/api/decisions', { limit: 100, ...query }))
  const { value, again } = stored
  // The stream begins before the newest decision of the list, so it may repeat decisions.
  const show = (all: readonly Json[]) => {
    kept.current = all
      .toSorted((one, other) => text(other.time).localeCompare(text(one.time)))
      .slice(0, MOST)
    setRows(kept.current)
  }
  useEffect(() => {
    if (!value) return
    show(list(value.decisions))
    setGap(list(value.dropped)[0])
  }, [value])
  useEffect(() => {
    setState(isPaused ? 'paused' : 'opening')
    if (!value || isPaused) return
    let waiting: Json[] = []
    const known = new Set(kept.current.map(({ id }) => id))
    const since = Date.parse(text(kept.current[0]?.time)) - LATE_MS
    const from = since ? since / 1000 : undefined
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
    source.addEventListener('dropped', ({ data }) => setGap(JSON.parse(data)))
    // Decisions that come close together are drawn at once.
    const timer = setInterval(() => {
      if (waiting.length === 0) return
      show([...waiting.reverse(), ...kept.current])
      waiting = []
    }, 250)
    return () => {
      source.close()
      clearTimeout(retry)
      clearInterval(timer)
    }
  }, [value, isPaused])
  return { rows, state, gap, stored }
}

/** A table of decisions. Only visible rows are in the page, so thousands do not slow it down. */
function Rows({ rows }: { readonly rows: readonly Json[] }) {
  const [top, setTop] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  const first = Math.max(0, Math.floor(top / ROW) - 10)
  const seen = rows.slice(first, first + 50)
  const space = (count: number) =>
    count > 0 &&
    html`<tr aria-hidden="true" style=${{ height: `${count * ROW}px` }}><td colspan="5"></td></tr>`
  return html`<div class="rows" ref=${box} tabindex="0" role="region" aria-label="Decisions"
    onScroll=${() => setTop(box.current?.scrollTop ?? 0)}>
    <table aria-rowcount=${rows.length + 1}>
      <thead><tr><th>Time</th><th>Decision</th><th>Agent</th><th>Rule</th><th class="wide number">ms</th></tr></thead>
      <tbody>${space(first)}${seen.map(
        (row, index) => html`<tr key=${text(row.id)} aria-rowindex=${first + index + 2}>
          <td><${Link} to=${`/decisions/${text(row.id)}`}><${Moment} at=${row.time} /><//></td>
          <td><span class=${`badge ${text(row.decision)}`}>${text(row.code ?? row.act ?? row.kind ?? row.decision)}</span></td>
          <td>${nameText(row.operator ?? row.agent_name ?? row.agent ?? row.claimed_issuer)}</td>
          <td>${text(row.route)}</td><td class="wide number">${text(row.duration)}</td></tr>`,
      )}${space(rows.length - first - seen.length)}</tbody>
    </table></div>`
}

/** Requests and refusals per minute of the last hour. */
function Plot({ usage }: { readonly usage: readonly Json[] }) {
  const box = useRef<HTMLDivElement>(null)
  const [times, all, denied] = useMemo(() => {
    const now = Math.floor(Date.now() / 60_000) * 60
    const minutes = Array.from({ length: 61 }, (_, index) => now - (60 - index) * 60)
    const sum = (name: string) =>
      minutes.map((minute) =>
        usage
          .filter((one) => Date.parse(text(one.time)) / 1000 === minute)
          .reduce((total, one) => total + Number(one[name] ?? 0), 0),
      )
    return [minutes, sum('decisions'), sum('denied')]
  }, [usage])
  useEffect(() => {
    const target = box.current
    if (!target) return
    const style = getComputedStyle(target)
    const axis = { stroke: style.color, grid: { stroke: '#8884', width: 1 } }
    const plot = new uPlot(
      {
        width: target.clientWidth,
        height: 160,
        legend: { show: false },
        cursor: { show: false },
        axes: [
          { ...axis, values: (_, marks) => marks.map((mark) => time(mark).slice(11, 16)) },
          axis,
        ],
        scales: { y: { range: (_, __, max) => [0, Math.max(max, 5)] } },
        series: [
          {},
          { label: 'requests', stroke: style.getPropertyValue('--fine'), width: 2 },
          { label: 'refusals', stroke: style.getPropertyValue('--bad'), width: 2, dash: [4, 3] },
        ],
      },
      [times, all, denied],
      target,
    )
    const watch = new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: 160 }))
    watch.observe(target)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [times, all, denied])
  const total = (counts: readonly number[]) => counts.reduce((sum, one) => sum + one, 0)
  const says = `Last hour: ${total(all)} requests, ${total(denied)} refusals`
  return html`<figure><div ref=${box} role="img" aria-label=${says}></div>
    <figcaption>${says}, by minute</figcaption></figure>`
}

/** The samples of one name in `/metrics`: each with its label, and its value. */
const samples = (metrics: string, name: string): readonly (readonly [string, number])[] =>
  [...metrics.matchAll(new RegExp(`^${name}\\{(.*)\\} ([\\d.]+)$`, 'gm'))].map(
    ([, labels = '', value]) => [
      labels.replace(/shard="\d+",?/, '').replace(/^\w+="([^"]*)"$/, '$1'),
      Number(value),
    ],
  )

/** The state of keys, revocations and origins. */
function Health() {
  const ready = useAnswer('/api/ready', 60_000)
  const { value: metrics = '' } = useAnswer<string>(has('metrics') && '/api/metrics', 60_000)
  if (!ready.value) return html`<${Pending} asked=${ready} says="Asking for the gate's health…" />`
  const checks = Object.entries(objectOf(ready.value.checks))
  const problems = samples(metrics, 'edgewarden_problem').filter(([, value]) => value > 0)
  const origins = samples(metrics, 'edgewarden_origin_answers_total')
  return html`<ul class="health">
    ${checks.map(([name, isFine]) => html`<li class=${isFine ? 'allowed' : 'denied'}>${name}: ${isFine ? 'fine' : 'missing'}</li>`)}
    ${list(ready.value.issuers).map(
      ({ issuer, state, keys }) =>
        html`<li class=${state === 'failed' ? 'denied' : 'allowed'}>${text(issuer)}: keys ${text(state)}, ${text(keys)}</li>`,
    )}
    ${problems.map(([name]) => html`<li class="denied">problem: ${name}</li>`)}
    ${origins.map(([status, count]) => html`<li class=${Number(status) >= 500 ? 'denied' : 'allowed'}>origins answered ${status}: ${count}</li>`)}
  </ul>`
}

/** Whether a record is about a read of the gate's own endpoints, as this page makes them. */
const isOwn = ({ route, rule = route, act = 'read' }: Json): boolean =>
  act === 'read' && text(rule).includes(` ${text(operator.value?.prefix)}/`)

/** Requests and refusals by code, how long they take, the gate's health, and decisions as they come. */
export function Live() {
  const search = place.value.searchParams
  const query = queryOf(search)
  const [isPaused, setPaused] = useState(false)
  const { rows: all, state: of, gap, stored } = useDecisions(query, isPaused)
  const state = isOffline.value && of !== 'paused' ? 'lost' : of
  const shown = { opening: 'none', open: 'allowed', lost: 'denied', paused: 'warn' }[state]
  const isFiltered = Object.keys(query).length > 0
  const isShown = (one: Json) => search.has('own') || !isOwn(one)
  const rows = useMemo(() => all.filter(isShown), [all, search])
  const from = Math.floor(Date.now() / 300_000) * 300 - 3_600
  const counted = { by: 'rule', from, ...query }
  const usable = has('audit:read')
  const minutes = useAnswer(
    usable && address('/api/usage', { every: 'minute', ...counted }),
    60_000,
  )
  const rules = useAnswer(usable && address('/api/usage', counted), 60_000)
  const usage = useMemo(() => list(minutes.value?.usage).filter(isShown), [minutes.value, search])
  const codes = new Map<string, number>()
  for (const { code } of rows) if (code) codes.set(text(code), (codes.get(text(code)) ?? 0) + 1)
  const filter = (event: Event) => {
    const chosen = Object.entries(textsOf(event)).filter(([, value]) => value)
    go(address('/', Object.fromEntries(chosen)), false)
  }
  if (!usable)
    return html`<h1>Live</h1><p>Decisions need the scope edgewarden:audit:read.</p><${Health} />`
  return html`<h1>Live</h1>
    <div class="columns"><section aria-label="Requests"><${Plot} usage=${usage} /></section>
    <section aria-label="Health and refusals"><h2>Health</h2><${Health} />
      <h2>Refusals below, by code</h2>
      <ul class="health">${[...codes]
        .sort(([, one], [, other]) => other - one)
        .map(
          ([code, count]) =>
            html`<li><${Link} to=${address('/', { code })}>${code}<//>: ${count}</li>`,
        )}
      ${codes.size === 0 && html`<li>none</li>`}</ul></section></div>
    <form class="filters" onChange=${filter} onSubmit=${filter} key=${text(query)}>
      ${(['agent', 'issuer', 'rule', 'code'] as const).map(
        (name) =>
          html`<label>${name}<input name=${name} defaultValue=${search.get(name) ?? ''} /></label>`,
      )}
      <label>decision<select name="decision" value=${search.get('decision') ?? ''}>
        <option value="">all</option><option>allowed</option><option>denied</option></select></label>
      <label><input type="checkbox" name="own" value="1" checked=${search.has('own')} />the gate's own</label>
      <button type="button" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>${isPaused ? 'Go on' : 'Pause'}</button>
      <span role="status" class=${`badge ${shown}`}>${STATES[state]}</span>
    </form>
    ${gap && html`<p class="denied">Not all of ${text(gap.issuer ?? gap.share)} was stored: ${text(gap.reason)}, from <${Moment} at=${gap.since} /> until <${Moment} at=${gap.until} />.</p>`}
    ${!stored.value && html`<${Pending} asked=${stored} says="Asking for decisions…" />`}
    ${
      rows.length > 0
        ? html`<${Rows} rows=${rows} />`
        : stored.value &&
          html`<p class="empty">No decision ${isFiltered ? 'fits the filter' : 'yet'}. ${isFiltered ? html`<${Link} to="/">Show all<//>` : 'Send a request through the gate, and it appears here.'}</p>`
    }
    <h2>By rule, last hour</h2>
    <table class="counts"><thead><tr><th>Rule</th><th>Requests</th><th>Refused</th><th>p50 ms</th><th>p95 ms</th></tr></thead>
    <tbody>${list(rules.value?.usage)
      .filter(isShown)
      .map(
        (one) =>
          html`<tr><td>${text(one.rule ?? 'no rule')}</td>${['decisions', 'denied', 'p50', 'p95'].map((name) => html`<td class="number">${text(one[name])}</td>`)}</tr>`,
      )}</tbody></table>`
}
