import { type Admission, ALWAYS, admissionOf, type Decided, type Within } from './admission.ts'
import { type Denial, type DenialTable, denials } from './denial.ts'

/**
 * What a stage returns: facts for the stages after it, a denial (with the facts its answer needs),
 * or `end`: the line stops here and the request is allowed with the facts established so far.
 * `within`: how long a stage that is decided once would decide so again; always, where it is absent.
 */
export type Outcome<Adds, Code extends string> =
  | { readonly ok: true; readonly value: Adds; readonly within?: Within }
  | { readonly ok: false; readonly reason: Denial<Code>; readonly value?: Partial<Adds> }
  | { readonly ok: true; readonly end: true; readonly value: Partial<Adds> }

/** What a step shows of itself: configured values and claims, for operators only. */
export type Detail = Readonly<Record<string, unknown>>

/** One step of the line: from the facts and ports it needs to facts, or to a denial. */
export interface Stage<
  Name extends string,
  Needs,
  Ports,
  Adds,
  Code extends string,
  Keyed = unknown,
> {
  readonly name: Name
  /** One sentence: what is known once this stage has passed. */
  readonly establishes: string
  /** What it found, for explanations. Asked only where a trace is, and only of a stage that passed. */
  readonly found?: (facts: Needs & Adds) => Detail
  /** What it saw beside what its denial says. Asked only where a trace is, and only if it denied. */
  readonly missed?: (facts: Needs & Partial<Adds>) => Detail
  /** Lets go of what no stage after it needs. Called once it has passed, and was told. */
  readonly done?: (facts: Needs & Adds) => void
  /**
   * The facts it adds on a rule for which it has nothing to check; `undefined` where it has to run. It is given only
   * facts that an admission is found by, which remembers what it adds. Must not throw.
   */
  readonly without?: (facts: Keyed) => Adds | undefined
  readonly denials: readonly DenialTable<Code>[]
  readonly run: (facts: Needs, ports: Ports) => Outcome<Adds, Code> | Promise<Outcome<Adds, Code>>
}

/** Declares a stage. The types check that what it reads was established before it. */
export function stage<
  const Name extends string,
  Needs,
  Ports,
  Adds extends object,
  Code extends string,
  Keyed = unknown,
>(
  parts: Stage<Name, Needs, Ports, Adds, Code, Keyed>,
): Stage<Name, Needs, Ports, Adds, Code, Keyed> {
  return parts
}

/** What one stage did, for explanations. */
export interface Step {
  readonly stage: string
  readonly outcome: 'passed' | 'ended' | 'denied'
  /** Milliseconds it waited for something outside; 0 for a stage that did not wait. */
  readonly ms: number
  /** What it found, or what its denial says beside the code. */
  readonly detail: Detail
}

/**
 * How a line went. `known` is whatever was established before it stopped; `waits` the milliseconds
 * of each stage that waited for something outside.
 */
export type Run<Facts, Code extends string> = {
  readonly waits: Readonly<Record<string, number>>
} & (
  | { readonly outcome: 'passed'; readonly known: Facts }
  | { readonly outcome: 'ended'; readonly known: Partial<Facts> }
  | { readonly outcome: 'denied'; readonly known: Partial<Facts>; readonly denial: Denial<Code> }
)

/** What a run reads the time from and tells of itself. */
export interface Watch {
  /** Milliseconds. */
  readonly now: () => number
  /** Told of an error that a stage did not expect. */
  readonly onError: (stage: string, error: unknown) => void
  /** Told of each step, where somebody asks for a trace. */
  readonly trace?: ((step: Step) => void) | undefined
}

const deny = denials({
  unavailable: [
    'unavailable',
    'The gate could not decide',
    'Try again; if it lasts, tell the operator the request_id',
  ],
})

type Overlap<A, B> = Extract<keyof A, keyof B>
type Fresh<Facts, Adds> = [Overlap<Facts, Adds>] extends [never]
  ? unknown
  : { readonly 'fact already established': Overlap<Facts, Adds> }

/**
 * A line of stages whose order the compiler checks: a stage can only be joined where the facts it
 * needs are established, and no stage may establish a fact twice.
 *
 * Some stages are decided once and remembered, as an {@link Admission}. The compiler gives them no fact
 * but those that the admission is found by (`Keyed`), and what such stages before them have established.
 *
 * `and`, not `then`: an object with a `then` method would be awaited.
 */
export interface Chain<Given, Facts, Keyed, Ports, Code extends string> {
  /** Joins a stage that runs for each request. */
  and<Name extends string, P, Adds extends object, C extends string>(
    next: Stage<Name, Facts, P, Adds, C, Keyed> & Fresh<Facts, Adds>,
  ): Chain<Given, Facts & Adds, Keyed, Ports & P, Code | C>
  /** Names established facts that an admission is found by. */
  by<Name extends keyof Facts>(
    ...names: readonly Name[]
  ): Chain<Given, Facts, Keyed & Pick<Facts, Name>, Ports, Code>
  /** Joins a stage that is decided once for the facts an admission is found by. */
  once<Name extends string, P, Adds extends object, C extends string>(
    next: Stage<Name, Keyed, P, Adds, C, Keyed> & Fresh<Facts, Adds>,
  ): Chain<Given, Facts & Adds, Keyed & Adds, Ports & P, Code | C>
  /** Behind the last stage that is decided once: the admission is a fact from here on. */
  admitted(): Chain<Given, Facts & { readonly admission: Admission<Keyed> }, Keyed, Ports, Code>
  /** Names, order and codes of the stages, as data. */
  readonly stages: readonly Stage<string, never, never, object, string, never>[]
  /**
   * Runs the stages in order until one denies or ends the line. A stage that throws denies with
   * `unavailable`; the error goes to `onError` and nowhere else. `recall` gives an admission for the facts
   * so far, asked before the first stage that is decided once; with one, those stages do not run, nor those that
   * have nothing to check.
   */
  run(
    given: Given,
    ports: Ports,
    watch: Watch,
    recall?: (known: Partial<Facts>) => Admission<Keyed> | undefined,
  ): Promise<Run<Facts, Code | 'unavailable'>>
}

type AnyStage = Stage<string, object, unknown, object, string, object>

/** A place in a line: a stage, and whether it is decided once; without a stage, where all of these are behind. */
interface Place {
  readonly stage?: AnyStage
  readonly isOnce: boolean
}

/** What a stage shows of itself; one that throws shows nothing, and changes nothing of what was decided. */
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
  /** Remembers the facts of stages that have nothing to check, and which stages run for each request. */
  const admittedBy = (known: Record<string, unknown>, decided: readonly Decided[]): Admission => {
    const by = Object.fromEntries(keyed.map((name) => [name, known[name]]))
    const facts = Object.assign(by, ...decided.map((one) => one.facts))
    const line = places.slice(firstOnce).filter(({ stage, isOnce }) => {
      const nothing = isOnce || stage?.without?.(facts)
      if (typeof nothing === 'object') Object.assign(facts, nothing)
      return !nothing
    })
    const admission = admissionOf([{ facts, within: ALWAYS }, ...decided])
    admission.made.set(build, line)
    return admission
  }
  return {
    stages: places.flatMap(({ stage }) => stage ?? []),
    and: (stage: AnyStage) => build([...places, { stage, isOnce: false }], keyed),
    by: (...names: readonly string[]) => build(places, [...keyed, ...names]),
    once: (stage: AnyStage) => build([...places, { stage, isOnce: true }], keyed),
    admitted: () => build([...places, { isOnce: true }], keyed),
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
        const { stage, isOnce } = line[at] as Place
        if (at === firstOnce && line === places) {
          const admission = recall?.(known)
          if (admission) {
            Object.assign(known, admission.facts, { admission })
            line = admission.made.get(build) as readonly Place[]
            at = -1
            continue
          }
        }
        if (!stage) {
          known.admission = admittedBy(known, decided)
          continue
        }
        const { name, run, found, missed, done } = stage
        let outcome: Outcome<object, string>
        let ms = 0
        try {
          const result = run(known, ports)
          if (result instanceof Promise) {
            const since = now()
            outcome = await result
            waits[name] = ms = now() - since
          } else outcome = result
        } catch (error) {
          onError(name, error)
          outcome = { ok: false, reason: deny('unavailable') }
        }
        Object.assign(known, outcome.value)
        if (!outcome.ok) {
          const { reason } = outcome
          if (trace) {
            const detail = { ...reason.detail, ...shown(name, missed, known, onError) }
            trace({ stage: name, outcome: 'denied', ms, detail })
          }
          return { outcome: 'denied', denial: reason, known, waits }
        }
        if ('end' in outcome) {
          trace?.({ stage: name, outcome: 'ended', ms, detail: {} })
          return { outcome: 'ended', known, waits }
        }
        if (isOnce) decided.push({ facts: outcome.value, within: outcome.within ?? ALWAYS })
        trace?.({ stage: name, outcome: 'passed', ms, detail: shown(name, found, known, onError) })
        done?.(known)
      }
      return { outcome: 'passed', known, waits }
    },
  }
}

/** An empty line over the facts it is given. */
export function chain<Given extends object>(): Chain<Given, Given, unknown, unknown, never> {
  return build([]) as unknown as Chain<Given, Given, unknown, unknown, never>
}

/** The code a stage that throws is denied with. */
export const chainDenials = deny
