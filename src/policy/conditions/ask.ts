import { EvaluationError, type ParseResult } from '@marcbachmann/cel-js'
import type { ConditionFacts, ConditionFault } from '../../core/model/condition.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { contextMaker } from './facts.ts'

/** Why there is no value. `message` may repeat what was read, `code` never does. */
interface Fault {
  readonly code: ConditionFault
  readonly message: string
}

/** Evaluates programs over the same facts. Never throws: whatever happens is a value or a fault. */
export type Ask = (program: ParseResult) => Result<unknown, Fault>

/** Evaluates parts of one condition over the facts of one request. */
export function asker(contextOf: ReturnType<typeof contextMaker>, facts: ConditionFacts): Ask {
  const context = guarded(() => {
    const made = contextOf(facts)
    return made.ok
      ? made
      : fail({
          code: made.reason,
          message:
            'A value that is read is too large, too deep, no exact number or no well-formed text',
        })
  })
  return (program) => (context.ok ? guarded(() => settled(program(context.value))) : context)
}

/** What is to be waited for is no answer. */
const settled = (value: unknown): Result<unknown, Fault> => {
  if (!(value instanceof Promise)) return ok(value)
  value.catch(() => {})
  return fail({ code: 'asynchronous', message: 'It would have to be waited for' })
}

const guarded = <Value>(run: () => Result<Value, Fault>): Result<Value, Fault> => {
  try {
    return run()
  } catch (error) {
    return error instanceof EvaluationError
      ? fail({ code: error.code, message: error.summary })
      : fail({ code: 'unexpected', message: 'It cannot be evaluated' })
  }
}
