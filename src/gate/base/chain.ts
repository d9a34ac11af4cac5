import { type Admission, ALWAYS, admissionOf, type Decided, type Within } from './admission.ts'
import { type Denial, type DenialTable, denials } from './denial.ts'

/**
 * The result of a stage: facts for later stages; a denial, with facts for its answer; or `end`, which stops the line
 * and allows the request. `within`: the time span in which a remembered decision stays the same; absent: always.
 */
export type Outcome<Adds, Code extends string> =
  | { readonly ok: true; readonly value: Adds; readonly within?: Within }
  | { readonly ok: false; readonly reason: Denial<Code>; readonly value?: Partial<Adds> }
  | { readonly ok: true; readonly end: true; readonly value: Partial<Adds> }

/** Details of a step: configured values and claims, for operators only. */
export type Detail = Readonly<Record<string, unknown>>

/** One step of the line: it reads facts and ports, and adds facts or denies. */
export interface Stage<Needs, Ports, Adds, Code extends string, Keyed = unknown> {
  readonly name: string
  /** One sentence: the fact that is certain once this stage has passed. */
  readonly establishes: string
  /** Details for explanations. Called only with a trace, and only if the stage passed. */
  readonly found?: (facts: Needs & Adds) => Detail
  /** Details beside those of the denial. Called only with a trace, and only if the stage denied. */
  readonly missed?: (facts: Needs & Partial<Adds>) => Detail
  /** Releases facts that no later stage needs. Called after the stage has passed and was traced. */
  readonly done?: (facts: Needs & Adds) => void
  /**
   * The facts that the stage adds where the rule gives it nothing to check; `undefined` where it must run. It gets only
   * facts that an admission is found by, and the admission remembers the result. Must not throw.
   */
  readonly without?: (facts: Keyed) => Adds | undefined
  readonly denials: readonly DenialTable<Code>[]
  readonly run: (facts: Needs, ports: Ports) => Outcome<Adds, Code> | Promise<Outcome<Adds, Code>>
}

/** Declares a stage. The types check that earlier stages establish the facts it reads. */
export function stage<Needs, Ports, Adds extends object, Code extends string, Keyed = unknown>(
  parts: Stage<Needs, Ports, Adds, Code, Keyed>,
): Stage<Needs, Ports, Adds, Code, Keyed> {
  return parts
}

/** The outcome of one stage, for explanations. */
export interface Step {
  readonly stage: string
  readonly outcome: 'passed' | 'ended' | 'denied'
  /** Milliseconds that an asynchronous stage took; 0 for a synchronous one. */
  readonly ms: number
  /** The stage's details, or those of its denial. */
  readonly detail: Detail
}

/** The result of a line. `known`: the facts before it stopped. `waits`: the milliseconds of asynchronous stages. */
export type Run<Facts, Code extends string> = {
  readonly waits: Readonly<Record<string, number>>
} & (
  | { readonly outcome: 'passed'; readonly known: Facts }
  | { readonly outcome: 'ended'; readonly known: Partial<Facts> }
  | { readonly outcome: 'denied'; readonly known: Partial<Facts>; readonly denial: Denial<Code> }
)

/** The clock and the listeners of a run. */
export interface Watch {
  /** Milliseconds. */
  readonly now: () => number
  /** Called with an error that a stage throws. */
  readonly onError: (stage: string, error: unknown) => void
  /** Called with each step, if a trace is wanted. */
  readonly trace?: ((step: Step) => void) | undefined
}

/** The denial of a stage that throws. */
export const chainDenials = denials({
  unavailable: [
    'unavailable',
    'The gate could not decide',
    'Try again; if the problem persists, tell the operator the request_id',
  ],
})

type Overlap<A, B> = Extract<keyof A, keyof B>
type Fresh<Facts, Adds> = [Overlap<Facts, Adds>] extends [never]
  ? unknown
  : { readonly 'fact already established': Overlap<Facts, Adds> }

/**
 * A line of stages whose order the compiler checks. A stage can only follow the stages that establish its facts, and no
 * stage may establish a fact twice.
 *
 * Stages joined by `once` are decided once and remembered as an {@link Admission}. They can read only the facts that
 * the admission is found by (`Keyed`), and facts of earlier `once` stages.
 *
 * The method is `and`, not `then`: an object with a `then` method would be awaited.
 */
export interface Chain<Given, Facts, Keyed, Ports, Code extends string> {
  /** Joins a stage that runs for each request. */
  and<P, Adds extends object, C extends string>(
    next: Stage<Facts, P, Adds, C, Keyed> & Fresh<Facts, Adds>,
  ): Chain<Given, Facts & Adds, Keyed, Ports & P, Code | C>
  /** Adds established facts to those that an admission is found by. */
  by<Name extends keyof Facts>(
    ...names: readonly Name[]
  ): Chain<Given, Facts, Keyed & Pick<Facts, Name>, Ports, Code>
  /** Joins a stage that is decided once; the admission remembers its decision. */
  once<P, Adds extends object, C extends string>(
    next: Stage<Keyed, P, Adds, C, Keyed> & Fresh<Facts, Adds>,
  ): Chain<Given, Facts & Adds, Keyed & Adds, Ports & P, Code | C>
  /** Ends the stages that are decided once. From here on the admission is a fact. */
  admitted(): Chain<Given, Facts & { readonly admission: Admission<Keyed> }, Keyed, Ports, Code>
  /** The stages in order, as data. */
  readonly stages: readonly Stage<never, never, object, string, never>[]
  /**
   * Runs the stages in order until one denies or ends the line. A stage that throws denies with `unavailable`; its
   * error goes only to `onError`. `recall` is called with the facts before the first `once` stage. If it returns an
   * admission, all `once` stages are skipped, and so are stages with nothing to check.
   */
  run(
    given: Given,
    ports: Ports,
    watch: Watch,
    recall?: (known: Partial<Facts>) => Admission<Keyed> | undefined,
  ): Promise<Run<Facts, Code | 'unavailable'>>
}

type AnyStage = Stage<object, unknown, object, string, object>

/**
 * A stage of a line, and whether it is decided once. A place without a stage makes the admission; in the line of an
 * admission it only adds `facts`.
 */
interface Place {
  readonly stage: AnyStage | undefined
  readonly isOnce: boolean
  /** Remembered facts that are established here, before the stage. */
  readonly facts?: object
}

/**
 * An admission, and the places of the stages that run for each of its requests. A refusal knows the facts of the stages
 * before it and no others, as if nothing had been remembered.
 */
interface Remembered extends Admission {
  readonly line: readonly Place[]
}

/** Details of a stage. If `show` throws, they are empty and the decision is unchanged. */
const shown = (
  name: string,
  show: ((facts: object) => Detail) | undefined,
  known: object,
  onError: Watch['onError'],
): Detail => {
  try {
    return show?.(known) ?? {}
  } catch (error) {
    onError(name, error)
    return {}
  }
}

const build = (places: readonly Place[], keyed: readonly string[] = []) => {
  const firstOnce = places.findIndex(({ isOnce }) => isOnce)
  /** Makes an admission. It remembers the facts of stages with nothing to check, and the stages left to run. */
  const admittedBy = (known: Record<string, unknown>, decided: readonly Decided[]): Remembered => {
    const by = Object.fromEntries(keyed.map((name) => [name, known[name]]))
    const facts = Object.assign({}, by, ...decided.map((one) => one.facts))
    const line: Place[] = []
    let before: object | undefined = by
    let at = 0
    for (const { stage, isOnce } of places.slice(firstOnce)) {
      const remembered = isOnce ? decided[at++]?.facts : stage?.without?.(facts)
      if (isOnce || remembered) {
        Object.assign(facts, remembered)
        before = { ...before, ...remembered }
      } else {
        line.push({ stage, isOnce, ...(before && { facts: before }) })
        before = undefined
      }
    }
    if (before) line.push({ stage: undefined, isOnce: false, facts: before })
    return { ...admissionOf([{ facts, within: ALWAYS }, ...decided]), line }
  }
  return {
    stages: places.flatMap(({ stage }) => stage ?? []),
    and: (stage: AnyStage) => build([...places, { stage, isOnce: false }], keyed),
    by: (...names: readonly string[]) => build(places, [...keyed, ...names]),
    once: (stage: AnyStage) => build([...places, { stage, isOnce: true }], keyed),
    admitted: () => build([...places, { stage: undefined, isOnce: true }], keyed),
    async run(
      given: object,
      ports: unknown,
      { now, onError, trace }: Watch,
      recall?: (known: object) => Admission | undefined,
    ) {
      const known: Record<string, unknown> = { ...given }
      const waits: Record<string, number> = {}
      const decided: Decided[] = []
      let line = places
      for (let at = 0; at < line.length; at++) {
        const { stage, isOnce, facts } = line[at] as Place
        if (facts) Object.assign(known, facts)
        if (at === firstOnce && line === places) {
          const admission = recall?.(known)
          if (admission) {
            known.admission = admission
            line = (admission as Remembered).line
            at = -1
            continue
          }
        }
        if (!stage) {
          if (line === places) known.admission = admittedBy(known, decided)
          continue
        }
        const { name } = stage
        let outcome: Outcome<object, string>
        let ms = 0
        try {
          const result = stage.run(known, ports)
          if (result instanceof Promise) {
            const since = now()
            outcome = await result
            waits[name] = ms = now() - since
          } else outcome = result
        } catch (error) {
          onError(name, error)
          outcome = { ok: false, reason: chainDenials('unavailable') }
        }
        Object.assign(known, outcome.value)
        if (!outcome.ok) {
          const { reason } = outcome
          if (trace) {
            const detail = { ...reason.detail, ...shown(name, stage.missed, known, onError) }
            trace({ stage: name, outcome: 'denied', ms, detail })
          }
          return { outcome: 'denied', denial: reason, known, waits }
        }
        if ('end' in outcome) {
          trace?.({ stage: name, outcome: 'ended', ms, detail: {} })
          return { outcome: 'ended', known, waits }
        }
        if (isOnce) decided.push({ facts: outcome.value, within: outcome.within ?? ALWAYS })
        if (trace) {
          const detail = shown(name, stage.found, known, onError)
          trace({ stage: name, outcome: 'passed', ms, detail })
        }
        stage.done?.(known)
      }
      return { outcome: 'passed', known, waits }
    },
  }
}

/** An empty line that starts with the facts `Given`. */
export function chain<Given extends object>(): Chain<Given, Given, unknown, unknown, never> {
  return build([]) as unknown as Chain<Given, Given, unknown, unknown, never>
}
