import { randomBytes } from 'node:crypto'
import { Argument } from 'commander'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { eventUri } from '../../gate/events/set.ts'
import { verificationState } from '../../gate/events/verification.ts'
import type { Transmitter } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { type CommandRow, type Process, withAccess } from '../base/command.ts'
import { readFilePolicy } from '../base/file-policy.ts'
import { gateAddress } from '../base/gate-client.ts'
import { cannotTell, EXIT, type Outcome, present } from '../base/output.ts'
import {
  callTransmitter,
  DELIVERY,
  readConfiguration,
  readStreams,
  type SsfConfiguration,
} from '../base/ssf.ts'
import { AUDIT_SCOPE, type GateOptions, listAs } from './access.ts'

interface EventsOptions extends Omit<GateOptions, 'gate'> {
  readonly gate?: string
  readonly config: string
  readonly env?: string
  readonly stream?: string
  readonly wait?: string
  readonly transmitterTokenEnv: string
}

/** Seconds for which verify waits: a poll is due within five minutes. */
const WAIT = { push: 30, poll: 330 }
const LOOK_MS = 500
/** Seconds by which the clock of the gate may be behind. */
const BEHIND = 300

export const eventsCommand: CommandRow<EventsOptions> = {
  usage: 'events ACTION [TRANSMITTER]',
  description: 'Make, verify or remove the stream by which a transmitter sends security events.',
  example: 'events connect https://idp.my-company.com',
  options: (command) =>
    withAccess(command, AUDIT_SCOPE)
      .addArgument(
        new Argument('<action>', 'what to do').choices(['connect', 'verify', 'disconnect']),
      )
      .argument('[transmitter]', 'its issuer, if the policy has several transmitters')
      .option('--gate <url>', 'scheme and host of the gate (default: those of GATE.resource)')
      .option('--config <file>', 'the file with the policy', 'wrangler.toml')
      .option('--env <name>', 'of this environment')
      .option('--stream <id>', 'verify and disconnect: the stream, if it is not found by itself')
      .option('--wait <seconds>', 'verify: how long (default: 30, or 330 with poll)')
      .option(
        '--transmitter-token-env <name>',
        "environment variable with a token for the transmitter's stream API",
        'EDGEWARDEN_TRANSMITTER_TOKEN',
      ),
  help: `
The transmitter's token needs the scope ssf.manage. connect and verify read the secret that the policy
names for the transmitter from the environment variable of that name. verify reads the audit of the gate.
Exit status: 0 done, 1 the transmitter or the gate did not do it, 2 cannot tell.`,
  run: events,
}

/** What all actions need. */
interface Connection {
  readonly by: Transmitter
  readonly configuration: SsfConfiguration
  readonly token: string
  readonly gate: string
  /** Where the gate takes events. */
  readonly endpoint: string
  readonly prefix: string
  readonly hasAudit: boolean
}

async function events(
  [action, asked]: readonly (string | undefined)[],
  options: EventsOptions,
  around: Process,
): Promise<Outcome> {
  const { config: file, env, wait } = options
  if (wait !== undefined && !/^\d{1,4}$/.test(wait)) return cannotTell('--wait must be seconds')
  const read = await readFilePolicy({ file, env })
  if (!read.ok) return read.reason
  const { policy } = read.value
  const { prefix, resource } = policy.gate
  const address = gateAddress(options.gate ?? new URL(resource).origin, prefix)
  if (!address.ok) return cannotTell(address.reason)
  const by = transmitterOf(policy, asked)
  if (!by.ok) return cannotTell(by.reason)
  const token = variable(
    around,
    options.transmitterTokenEnv,
    'a token of the transmitter with scope ssf.manage',
  )
  if (!token.ok) return cannotTell(token.reason)
  const configuration = await readConfiguration(by.value.source.issuer)
  if (!configuration.ok) return cannotTell(configuration.reason)
  const { origin: gate } = address.value
  const connection: Connection = {
    ...{ by: by.value, configuration: configuration.value, token: token.value, gate, prefix },
    ...{ endpoint: `${gate}${prefix}/events`, hasAudit: policy.audit !== undefined },
  }
  if (action === 'connect') return connect(connection, around)
  const stream = await streamOf(connection, options.stream)
  if (!stream.ok) return cannotTell(stream.reason)
  return action === 'verify'
    ? verify(connection, stream.value, options, around)
    : disconnect(connection, stream.value)
}

const transmitterOf = (
  { issuers }: Policy,
  asked: string | undefined,
): Result<Transmitter, string> => {
  const all = [...issuers.values()].flatMap(({ events = [] }) => events)
  const names = [...new Set(all.map(({ source }) => source.issuer))]
  const [only, ...more] = asked === undefined ? names : names.filter((name) => name === asked)
  const found = all.find(({ source }) => source.issuer === only)
  if (found && more.length === 0) return ok(found)
  return fail(
    names.length === 0
      ? 'No issuer of the policy has a transmitter: set events in its table.'
      : `Which transmitter? The policy has ${names.join(', ')}.`,
  )
}

/** An environment variable; `what` it must have. */
const variable = ({ env }: Process, name: string, what: string): Result<string, string> => {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value === undefined || value === '') {
    return fail(`The environment variable ${name} is not set: it must have ${what}.`)
  }
  return /^[\x20-\x7e]+$/.test(value) ? ok(value) : fail(`${name} must be one line of ASCII.`)
}

const SECRET = 'the value of the secret of that name'

const methodOf = ({ push }: Transmitter) => (push ? 'push' : 'poll')

const connect = async (connection: Connection, around: Process): Promise<Outcome> => {
  const { by, configuration, token, endpoint } = connection
  const method = methodOf(by)
  const { deliveryMethods } = configuration
  if (deliveryMethods.length > 0 && !deliveryMethods.includes(DELIVERY[method])) {
    const other = method === 'push' ? 'poll in place of authorization' : 'authorization'
    return cannotTell(`${by.source.issuer} does not deliver by ${method}: set ${other}.`)
  }
  const header = by.push && variable(around, by.push.secret, SECRET)
  if (header && !header.ok) return cannotTell(header.reason)
  const before = await readStreams(configuration, token)
  if (!before.ok) return cannotTell(before.reason)
  const [known] = before.value.filter((one) => isOurs(one, connection))
  if (known) return told(known, connection, 'is there already')
  const delivery = {
    method: DELIVERY[method],
    ...(header && { endpoint_url: endpoint, authorization_header: header.value }),
  }
  const made = await callTransmitter(configuration.configurationEndpoint, {
    method: 'POST',
    token,
    body: { delivery, events_requested: [...by.accept].map(eventUri), description: 'Edgewarden' },
    good: [200, 201],
  })
  if (!made.ok) return cannotTell(made.reason)
  if (!isObject(made.value) || idOf(made.value) === '') {
    return cannotTell('The transmitter answered without a stream_id.')
  }
  return told(made.value, connection, 'is made')
}

/** A stream, and what the policy must have for it. */
const told = (
  stream: JsonObject,
  { by, configuration, endpoint }: Connection,
  how: string,
): Outcome => {
  const { audience, poll, source, accept } = by
  const { jwksUri } = configuration
  const place = ownText(objectOf(own(stream, 'delivery')), 'endpoint_url')
  const delivered = listOf(own(stream, 'events_delivered'))
  const lacks = [...accept].map(eventUri).filter((uri) => !delivered.includes(uri))
  const cures = present([
    ![own(stream, 'aud')].flat().includes(audience) &&
      `audience must be the stream's aud: ${JSON.stringify(own(stream, 'aud'))}`,
    own(stream, 'iss') !== source.issuer &&
      `issuer must be the stream's iss: ${JSON.stringify(own(stream, 'iss'))}`,
    !by.push && place !== poll?.endpoint && `poll.endpoint must be ${JSON.stringify(place)}`,
    source.keys.kind === 'uri' &&
      jwksUri !== undefined &&
      jwksUri !== source.keys.uri &&
      `jwks_uri must be ${JSON.stringify(jwksUri)}`,
  ])
  const id = idOf(stream)
  return {
    exitCode: cures.length > 0 ? EXIT.no : EXIT.yes,
    json: { stream: id, transmitter: source.issuer, delivers: delivered, lacks, mistakes: cures },
    out: [
      `Stream ${id} of ${source.issuer} ${how}: ${by.push ? `push to ${endpoint}` : 'poll'}.`,
      ...(cures.length === 0 ? ['Next: npx edgewarden events verify'] : []),
    ],
    err: [
      ...cures.map((cure) => `In the table of the transmitter ${cure}`),
      ...lacks.map((uri) => `warning: the transmitter does not deliver ${uri}`),
    ],
  }
}

const idOf = (stream: JsonObject): string => ownText(stream, 'stream_id') ?? ''

/** Whether a stream delivers to this gate. */
const isOurs = (stream: JsonObject, { by, endpoint }: Connection): boolean => {
  const delivery = objectOf(own(stream, 'delivery'))
  const place = by.push ? endpoint : by.poll?.endpoint
  return (
    own(delivery, 'method') === DELIVERY[methodOf(by)] && own(delivery, 'endpoint_url') === place
  )
}

const streamOf = async (
  connection: Connection,
  asked: string | undefined,
): Promise<Result<string, string>> => {
  if (asked !== undefined) return ok(asked)
  const streams = await readStreams(connection.configuration, connection.token)
  if (!streams.ok) return streams
  const [only, ...more] = streams.value.filter((one) => isOurs(one, connection))
  if (only && more.length === 0) return ok(idOf(only))
  const all = streams.value.map(idOf).join(', ') || 'none'
  return fail(
    `Which stream? ${more.length > 0 ? 'Several deliver' : 'None delivers'} to this gate; give --stream with one of: ${all}. connect makes one.`,
  )
}

const disconnect = async (
  { by, configuration, token }: Connection,
  id: string,
): Promise<Outcome> => {
  const url = new URL(configuration.configurationEndpoint)
  url.searchParams.set('stream_id', id)
  const removed = await callTransmitter(url.href, { method: 'DELETE', token, good: [200, 204] })
  if (!removed.ok) return cannotTell(removed.reason)
  const { issuer } = by.source
  const out = [`Stream ${id} of ${issuer} is removed. What its events revoked stays revoked.`]
  return { exitCode: EXIT.yes, json: { stream: id, transmitter: issuer }, out, err: [] }
}

/** Asks for a verification event, and waits until the gate's audit has it. */
const verify = async (
  { by, configuration, token, gate, prefix, endpoint, hasAudit }: Connection,
  id: string,
  options: EventsOptions,
  around: Process,
): Promise<Outcome> => {
  const { verificationEndpoint: url } = configuration
  const { issuer } = by.source
  if (url === undefined) return cannotTell(`${issuer} names no verification_endpoint.`)
  if (!hasAudit)
    return cannotTell('The gate has no audit, so it cannot say what came: bind AUDIT_LOG.')
  const shared = by.push ?? by.poll
  const secret = variable(around, shared?.secret ?? '', SECRET)
  if (!secret.ok) return cannotTell(secret.reason)
  const nonce = randomBytes(16).toString('base64url')
  const state = await verificationState(secret.value, { transmitter: issuer, id }, nonce)
  const from = (around.now() - BEHIND).toFixed(3)
  const look = () =>
    listAs({ ...options, prefix, gate }, AUDIT_SCOPE, around, ['/decisions', 'decisions'], {
      query: { kind: 'act', from, limit: 1_000 },
    })
  // A token that is not accepted is said before anything is asked for.
  const first = await look()
  if (first.fault) return first.fault
  const { elapsed, sleep, tell } = around.waiting
  const began = elapsed()
  const body = { stream_id: id, state }
  const sent = await callTransmitter(url, { method: 'POST', token, body, good: [200, 202, 204] })
  if (!sent.ok) return cannotTell(sent.reason)
  const most = Number(options.wait ?? WAIT[methodOf(by)])
  tell(`${issuer} is asked for a verification event; waiting for up to ${most} s`)
  for (;;) {
    const { found, fault } = await look()
    if (fault) return fault
    const seconds = Math.round((elapsed() - began) / 100) / 10
    const json = { stream: id, transmitter: issuer, seconds }
    if (found.some((one) => own(objectOf(own(one, 'event')), 'state') === state)) {
      const out = [`The gate has the verification event of stream ${id} after ${seconds} s.`]
      return { exitCode: EXIT.yes, json: { ...json, verified: true }, out, err: [] }
    }
    if (seconds >= most) {
      const err = [`No verification event came within ${most} s.`, cureOf(by, endpoint)]
      return { exitCode: EXIT.no, json: { ...json, verified: false }, out: [], err }
    }
    await sleep(LOOK_MS)
  }
}

const cureOf = ({ push, poll }: Transmitter, endpoint: string): string =>
  push
    ? `See whether the transmitter sends to ${endpoint}, with the header in the secret ${push.secret}. The gate's answer says what it refuses.`
    : `See whether the cron trigger runs, and whether the gate's log has events_poll_failed or events_refused. The secret ${poll?.secret ?? ''} must be that of the gate.`
