/** Tokens in headers that a rule names, and in others. */
import type { JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec } from './shapes.ts'

/** Sends the token in another header, mostly where the rule takes it there. */
export function sendElsewhere(
  dice: Dice,
  request: RequestSpec,
  rule: JsonObject | undefined,
): void {
  const table = rule?.credential as { headers: string[] } | undefined
  const names = table?.headers.filter((name) => name !== 'authorization') ?? []
  if (dice.chance(table ? 0.75 : 0.01)) request.as = `header:${dice.pick([...names, 'api-key'])}:`
  if (names.length > 0 && dice.chance(0.3)) change(dice, request, names)
}

/** Sends the token as no rule takes it, or something beside it. */
function change(dice: Dice, request: RequestSpec, names: string[]): void {
  const name = dice.pick([...names, 'api-key'])
  const spelled = dice.pick([name.toUpperCase(), name.replace('-', '_'), name.replace('-', '.')])
  const push = (name: string, value: string) => request.headers.push([name, value])
  dice.pick<() => unknown>([
    () => (request.as = `header:${spelled}:`),
    () => (request.as = `header:${dice.pick(names)}:Bearer `),
    () => (request.as = `header:${name}:${dice.pick(['x, ', '=', '\t', ' '])}`),
    () => push(name, dice.pick(['x', '', ' ', 'Bearer x', 'a b', 'é'])),
    () => push(spelled, dice.pick(['x', 'y'])),
    () => push('Authorization', dice.pick(['Bearer x', 'Basic x', ''])),
    () => push('Connection', `close, ${name}`),
    () => {
      delete request.token
      push(name, dice.pick(['x', '', 'x'.repeat(16_385), 'x'.repeat(16_384)]))
    },
  ])()
}
