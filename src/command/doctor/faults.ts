import { type JsonObject, ownText } from '../../gate/base/json.ts'
import { isPrivateHost } from '../../gate/base/network.ts'
import { cut } from '../../gate/base/text.ts'
import { parseUrl } from '../../gate/base/url.ts'
import type { Asked } from './gather.ts'

/** The most characters of a remote text. */
const SHOWN = 200

/** A remote text for JSON, cut; `null` if there is none. */
export function textOf(text: string | undefined): string | null {
  return text?.slice(0, 256) ?? null
}

/** Quotes and cuts a remote text, with all but visible ASCII escaped. */
export function shown(text: string): string {
  return JSON.stringify(cut(text, SHOWN)).replace(
    /[^\x20-\x7e…]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Whether the server did not answer, so that the document is unknown. */
export function isSilent({ fetched }: Asked): boolean {
  return !fetched.ok && (fetched.reason === 'unreachable' || fetched.reason === 'timeout')
}

/** The failure of a fetch, as the end of a sentence; `undefined` if it succeeded. */
export function faultText(asked: Asked): string | undefined {
  if (asked.fetched.ok) return undefined
  const { reason } = asked.fetched
  const last = asked.exchanges.at(-1)
  const about: Readonly<Record<string, string | undefined>> = {
    'address not allowed': refusal(asked),
    unreachable: last?.failure,
    timeout: last?.failure ?? 'its body did not end in time',
    'redirected elsewhere': last?.headers.location && `to ${shown(last.headers.location)}`,
    'not served as JSON': `Content-Type ${shown(last?.headers['content-type'] ?? '')}`,
  }
  const more = Object.hasOwn(about, reason) ? about[reason] : undefined
  return more === undefined || more === '' ? reason : `${reason}: ${more}`
}

/** The address and failure of a fetch on one line; `undefined` if it succeeded. */
export function faultLine(asked: Asked | undefined): string | undefined {
  const fault = asked && faultText(asked)
  return fault && `${shown(asked.url)}: ${fault}`
}

/** The addresses and failures of several fetches, as the end of a sentence. */
export function faultList(all: readonly Asked[]): string {
  return all.map((asked) => `${shown(asked.url)} (${faultText(asked)})`).join(', ')
}

/** The reason why a gate refuses an address. */
const refusal = ({ url: address, allowInsecureHttp }: Asked): string => {
  const url = parseUrl(address)
  if (!url) return 'it is not a URL'
  if (url.username !== '' || url.password !== '') return 'it contains a name or password'
  if (url.protocol !== 'https:' && !allowInsecureHttp) return 'it is not https'
  if (url.protocol !== 'https:') return 'it is http to a host that is not this machine'
  return isPrivateHost(url.hostname) ? 'it is a private address' : "it is the gate's own"
}

const NO_CREDENTIAL =
  'Let everyone read the document: a gate sends no credential. Look for a firewall or bot check in front of it'
const NOT_THERE =
  "Check the address against the issuer's documentation; the keys' own address can be written as jwks_uri"
const LATER = 'Ask again later, and have the issuer look into it'
const WHOLE = 'Have the issuer serve one whole JSON object, no name twice in it'

/** How to fix faults, by what they begin with. */
const FIXES: Readonly<Record<string, string>> = {
  'address not allowed':
    'Have the issuer publish https addresses on the public internet, without credentials',
  redirected:
    'A gate follows redirects only to the same scheme, host and port: have the issuer serve the document itself, or write the final address of the keys as jwks_uri',
  'too many redirects': 'Have the issuer serve the document without redirects',
  'status 401': NO_CREDENTIAL,
  'status 403': NO_CREDENTIAL,
  'status 404': NOT_THERE,
  'status 410': NOT_THERE,
  'status 429': LATER,
  'status 5': LATER,
  'not served as JSON':
    'Have it served with Content-Type: application/json. A page often means a login or bot check in front of it',
  'too large': 'Have the issuer keep the document within 64 KiB',
  truncated: WHOLE,
  'not a JSON object': WHOLE,
}

/** How to fix a failed fetch. */
export function faultFix(fault: string): string {
  const [, fix] = Object.entries(FIXES).find(([begin]) => fault.startsWith(begin)) ?? []
  return fix ?? 'Have the issuer serve the document with status 200'
}

/** The difference between the metadata's `issuer` and the configured one; `undefined` if equal. */
export function issuerDifference(document: JsonObject, issuer: string): string | undefined {
  const theirs = ownText(document, 'issuer')
  if (theirs === issuer) return undefined
  if (theirs === undefined) return 'it names no issuer'
  const difference = `it says ${shown(theirs)}, not ${shown(issuer)}`
  const way = WAYS.find(([, plain]) => plain(theirs) === plain(issuer))
  return way ? `${difference}: they differ ${way[0]}` : difference
}

/** Differences between two issuers, and what makes such issuers equal. */
const WAYS: readonly (readonly [string, (text: string) => string])[] = [
  ['by the slash at the end', (text) => text.replace(/\/$/, '')],
  ['by http and https', (text) => text.replace(/^https:/, 'http:')],
  ['by upper and lower case', (text) => text.toLowerCase()],
  ['by spaces at an end', (text) => text.trim()],
]
