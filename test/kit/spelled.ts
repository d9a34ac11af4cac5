import { type Spelled, spelled } from '../../src/gate/relay/secrets/secret-encodings.ts'
import { routeOf } from './facts.ts'

/** What finds these secrets. */
export const spelledOf = (...secrets: readonly string[]): Spelled => {
  const found = spelled(routeOf('GET /x', { secrets }))
  if (!found) throw new Error('no secrets')
  return found
}

const hexOf = (one: string): string => one.charCodeAt(0).toString(16).padStart(2, '0')

/** Some of HTML's. */
const NAMES: Readonly<Record<string, string>> = {
  _: 'lowbar',
  '+': 'plus',
  '/': 'sol',
  '=': 'equals',
  '.': 'period',
  '\\': 'bsol',
  '|': 'VerticalLine',
  '`': 'DiacriticalGrave',
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
  'JSON of Go': (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/[<>&]/g, (one) => `\\u00${hexOf(one)}`),
  'JSON of .NET': (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/\\"|[<>&'+`]/g, (one) => `\\u00${hexOf(one.slice(-1)).toUpperCase()}`),
  'a URL of Python': (secret) =>
    secret.replace(/[^\w.~/-]/g, (one) => `%${hexOf(one).toUpperCase()}`),
  'JSON of Gson': (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/[<>&=']/g, (one) => `\\u00${hexOf(one)}`),
  'HTML of Go': (secret) =>
    secret.replace(
      /[&<>"'+]/g,
      (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[one] ?? `&#${one.charCodeAt(0)};`,
    ),
  'HTML of Handlebars': (secret) =>
    secret.replace(
      /[&<>"'`=]/g,
      (one) =>
        ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ??
        `&#x${hexOf(one).toUpperCase()};`,
    ),
  'a script': (secret) => secret.replace(/[^A-Za-z0-9]/g, (one) => `\\x${hexOf(one)}`),
  'RFC 3986': (secret) =>
    encodeURIComponent(secret).replace(/[!'()*]/g, (one) => `%${hexOf(one).toUpperCase()}`),
  'HTML by names': (secret) =>
    secret.replace(/[^A-Za-z0-9 ~-]/g, (one) => `&${NAMES[one] ?? `#${one.charCodeAt(0)}`};`),
  'HTML by long numbers': (secret) =>
    secret.replace(/[^A-Za-z0-9]/g, (one) => `&#x00${hexOf(one)};`),
  'HTML by decimal numbers': (secret) =>
    secret.replace(/[^A-Za-z0-9]/g, (one) => `&#${one.charCodeAt(0)};`),
  'HTML of .NET': (secret) =>
    secret.replace(
      /[&<>"'+]/g,
      (one) =>
        ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ??
        `&#x${hexOf(one).toUpperCase()};`,
    ),
  'HTML by numbers': (secret) =>
    secret.replace(/[^A-Za-z0-9]/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`),
}

/** base64 of a text with something before and after the secret. */
export const base64With = (before: string, secret: string, after = ''): string =>
  Buffer.from(before + secret + after).toString('base64')
