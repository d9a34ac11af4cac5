import type { ASTNode } from '#cel'
import { isExact, isExactText } from '../../base/json.ts'
import { networkFault } from '../../base/network.ts'
import { quote } from '../reading/issues.ts'
import { mistake, writtenText } from './nodes.ts'
import { isBounded, momentOfText } from './times.ts'

/** Throws at a literal of bytes, an unsigned or an inexact number. */
export function checkLiteral(node: ASTNode): void {
  const { args, input, start, end } = node
  if (typeof args === 'object' && args !== null)
    throw mistake(node, 'bytes and unsigned numbers are not part of conditions')
  if (typeof args !== 'number' && typeof args !== 'bigint') return
  const isWhole = typeof args === 'bigint'
  if (!isExact(Number(args)) || !(isWhole || isExactText(input.slice(start, end))))
    throw mistake(
      node,
      'is not an exact number: whole numbers go up to 9007199254740991, and others have the digits of a double; compare longer ones as text',
    )
}

/** Throws at a map key that is not a literal, is repeated, or is ignored by the library. */
export function checkKeys(entries: readonly (readonly [ASTNode, ASTNode])[]): void {
  const seen = new Set<string>()
  for (const [key] of entries) {
    const text = writtenText(key)
    if (text === undefined) throw mistake(key, 'keys of a map are texts, written out as literals')
    if (text in Object.prototype || text === 'prototype' || seen.has(text))
      throw mistake(key, `a map cannot have this key, or has it twice: ${quote(text)}`)
    seen.add(text)
  }
}

/**
 * Throws at a literal argument that is not a valid duration, time or network. Durations must be
 * literals; other values are checked at evaluation.
 */
export function checkArguments(name: string, [first, second]: readonly ASTNode[]): void {
  if (name === 'duration')
    checkWritten(
      first,
      isDuration,
      'a duration that is written out, like "10m", of at most 10,000 years',
    )
  if (name === 'timestamp' && writtenText(first) !== undefined)
    checkWritten(first, isTime, 'a time like "2026-12-31T00:00:00Z"')
  if (name === 'inNetwork' && second) checkNetworks(second)
}

const DURATION = /^-?(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|ms|s|m|h)){1,6}$/
const isDuration = (text: string): boolean => DURATION.test(text) && isBounded(text)
const isTime = (text: string): boolean => momentOfText(text) !== undefined

const checkWritten = (
  node: ASTNode | undefined,
  is: (text: string) => boolean,
  what: string,
): void => {
  const text = writtenText(node)
  if (node && (text === undefined || !is(text))) throw mistake(node, `is not ${what}`)
}

/** Checks literal networks only; other values are checked at evaluation. */
const checkNetworks = (node: ASTNode): void => {
  for (const one of node.op === 'list' ? node.args : [node]) {
    const text = writtenText(one)
    const fault = text === undefined ? undefined : networkFault(text)
    if (fault !== undefined) throw mistake(one, fault)
  }
}
