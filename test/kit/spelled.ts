import { type Spelled, spelled } from '../../src/answer/spellings.ts'
import { routeOf } from './facts.ts'

/** What finds these secrets. */
export const spelledOf = (...secrets: readonly string[]): Spelled => {
  const found = spelled(routeOf('GET /x', { secrets }))
  if (!found) throw new Error('no secrets')
  return found
}

/** Ways in which an origin may well write what it was sent, by their names. */
export const SPELLINGS: Readonly<Record<string, (secret: string) => string>> = {
  plain: (secret) => secret,
  'percent-encoded': encodeURIComponent,
  'percent-encoded in lower case': (secret) =>
    encodeURIComponent(secret).replace(/%../g, (one) => one.toLowerCase()),
  'a form': (secret) => String(new URLSearchParams({ k: secret })).slice(2),
  'a URL': (secret) => encodeURI(secret),
  JSON: (secret) => JSON.stringify(secret).slice(1, -1),
  'JSON with \\/': (secret) => JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
  'JSON with \\u': (secret) =>
    secret.replace(
      /[^A-Za-z0-9]/g,
      (one) => `\\u00${one.charCodeAt(0).toString(16).padStart(2, '0')}`,
    ),
  HTML: (secret) =>
    secret.replace(
      /[&<>"']/g,
      (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ?? '&#39;',
    ),
  'HTML by numbers': (secret) =>
    secret.replace(/[^A-Za-z0-9]/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`),
}

/** base64 of a text with something before and after the secret. */
export const base64With = (before: string, secret: string, after = ''): string =>
  Buffer.from(before + secret + after).toString('base64')
