import { eventText } from '../../gate/answer/dialects.ts'
import { createApp } from '../../gate/app/app.ts'
import { type Admin, answer, type GateEnv } from '../../gate/app/context.ts'
import { mustHaveNames, unknownIn } from '../../gate/app/names.ts'
import { withName } from '../../gate/app/request.ts'
import { utf8Encode } from '../../gate/base/bytes.ts'
import type { Dropped, LivePage } from '../../gate/model/audit.ts'
import { limitedToToken } from '../../gate/relay/streams/streams.ts'
import { INVALID, LIVE, readBy, USAGE } from './decision-query.ts'
import { gapsOf } from './decisions.ts'

/** Milliseconds until a client connects again. */
const RETRY_MS = 2_000

/**
 * `GET /decisions/live`: records as they are stored, as server-sent events. `GET /usage`: counts of them. The guard
 * has checked token and scope.
 */
export const auditReadsApp = createApp<GateEnv>()
  .get('/decisions/live', async (c) => {
    const position = c.req.header('last-event-id')
    const pages = await readBy(c, LIVE, async (audit, query) => {
      const { filters } = query
      if (unknownIn(c, filters)) {
        const { decisions } = await audit.list({ filters, limit: 1 })
        if (decisions.length === 0) mustHaveNames(c, filters, INVALID)
      }
      return audit.live(query, position)
    })
    const events = eventsOf(c, pages)
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const { value } = await events.next()
      if (value) controller.enqueue(value)
      else controller.close()
    }
    const cancel = () => void events.return()
    const body = new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 })
    const headers = { 'cache-control': 'no-store', 'content-type': 'text/event-stream' }
    const stream = new Response(body, { headers })
    return limitedToToken(stream, c.req.raw, { decision: c.get('decision'), isFetched: false })
  })
  .get('/usage', async (c) => {
    const usage = await readBy(c, USAGE, async (audit, query) => {
      const counted = await audit.usage(query)
      if (counted.groups.length === 0) mustHaveNames(c, query.filters, INVALID)
      return counted
    })
    const { groups, leftOut, since, dropped } = usage
    const gaps = gapsOf(c, dropped)
    return answer(c, {
      usage: groups.map((one) => withName(c.get('policy'), one)),
      ...(since > 0 && { since: new Date(since).toISOString() }),
      ...(leftOut > 0 && { left_out: leftOut }),
      ...(gaps.length > 0 && { dropped: gaps }),
    })
  })

/** Events of live pages. An event without data only has the position to go on from. Each gap is sent once. */
async function* eventsOf(
  c: Admin,
  pages: AsyncGenerator<LivePage>,
): AsyncGenerator<Uint8Array, void> {
  const sent = new Set<string>()
  let head = `retry: ${RETRY_MS}\n`
  try {
    for await (const { records, position, dropped } of pages) {
      const fresh = dropped.filter((gap) => !sent.has(nameOf(gap)))
      for (const gap of fresh) sent.add(nameOf(gap))
      const gaps = gapsOf(c, fresh)
      // Another issuer's gap makes no event.
      if (records.length + gaps.length === 0 && dropped.length > 0) continue
      const texts = [
        ...gaps.map((gap) => eventText(gap, 'dropped')),
        ...records.map((one) => `id: ${one.position}\ndata: ${one.record}\n\n`),
        `id: ${position}\n\n`,
      ]
      yield utf8Encode(head + texts.join(''))
      head = ''
    }
  } catch (error) {
    c.get('ports').onError('audit', error)
    yield utf8Encode(eventText({ code: 'audit_unavailable' }, 'edgewarden.closed'))
  }
}

const nameOf = ({ reason, share, issuer, since }: Dropped): string =>
  [reason, share, issuer, since].join(' ')
