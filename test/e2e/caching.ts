import type { OutgoingHttpHeaders } from 'node:http'
import { TARGETED } from './shared-cache.ts'

/** What caches are told that they may keep. */
export const KEEPABLE: readonly (readonly [string, OutgoingHttpHeaders])[] = [
  ['public, s-maxage=600', { 'cache-control': 'public, s-maxage=600' }],
  ['PUBLIC,max-age=600,immutable', { 'cache-control': 'PUBLIC,max-age=600,immutable' }],
  ['max-age=600', { 'cache-control': 'max-age=600' }],
  ['must-revalidate', { 'cache-control': 'max-age=600, must-revalidate' }],
  ['private of one field only', { 'cache-control': 'public, private="x-other", max-age=600' }],
  ['to be validated each time', { 'cache-control': 'public, no-cache' }],
  ['stale at once', { 'cache-control': 'public, s-maxage=0, stale-while-revalidate=600' }],
  ['Expires', { expires: new Date(Date.now() + 6e5).toUTCString() }],
  ['nothing at all', { 'last-modified': new Date(0).toUTCString() }],
  ['Vary: Accept', { 'cache-control': 'public, s-maxage=600', vary: 'Accept' }],
  ['Vary: X-Agent-Id', { 'cache-control': 'public, s-maxage=600', vary: 'X-Agent-Id' }],
  ...TARGETED.map((name) => {
    const value = name === 'X-Accel-Expires' ? '600' : 'public, max-age=600'
    return [name, { 'cache-control': 'private', [name]: value }] as const
  }),
]
