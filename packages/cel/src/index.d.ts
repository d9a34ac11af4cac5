/** A type, such as `int` or `map<string, dyn>`. */
export interface Type {
  readonly kind: string
  readonly name: string
  readonly keyType?: Type
}

type Binary = readonly [ASTNode, ASTNode]

/** The operands of each operator, in written order. */
interface Operands {
  value: unknown
  id: string
  '.': readonly [ASTNode, string]
  '[]': Binary
  /** The name and the arguments. */
  call: readonly [string, readonly ASTNode[]]
  /** The name, the receiver and the arguments. */
  rcall: readonly [string, ASTNode, readonly ASTNode[]]
  list: readonly ASTNode[]
  map: readonly Binary[]
  '?:': readonly [ASTNode, ASTNode, ASTNode]
  '||': Binary
  '&&': Binary
  '!_': ASTNode
  '-_': ASTNode
  '!=': Binary
  '==': Binary
  in: Binary
  '+': Binary
  '-': Binary
  '*': Binary
  '/': Binary
  '%': Binary
  '<': Binary
  '<=': Binary
  '>': Binary
  '>=': Binary
}

interface Node<Op extends keyof Operands> {
  readonly op: Op
  readonly args: Operands[Op]
  /** The whole expression, and the place of the node in it. */
  readonly input: string
  readonly start: number
  readonly end: number
  /** `undefined` before a check of types, and of what a check that failed did not come to. */
  readonly checkedType?: Type
}

/** A node of the syntax tree of an expression. */
export type ASTNode = { [Op in keyof Operands]: Node<Op> }[keyof Operands]

interface ErrorOptions {
  readonly message: string
  readonly code?: string
  readonly node?: ASTNode
}

declare class CelError extends Error {
  constructor(options: ErrorOptions)
  readonly code: string
  /** The message without the quoted expression. */
  readonly summary: string
  readonly range?: { readonly start: number; readonly end: number }
}

/** The expression is malformed. */
export class ParseError extends CelError {
  override readonly name: 'ParseError'
}

/** The expression has no value for these variables. */
export class EvaluationError extends CelError {
  override readonly name: 'EvaluationError'
}

/** The types of an expression do not go together. */
export class CelTypeError extends CelError {
  override readonly name: 'TypeError'
}

/** A duration; both members have its sign. */
export class Duration {
  constructor(seconds: bigint, nanos: number)
  readonly seconds: bigint
  readonly nanos: number
}

/** Finds types, for a macro. `context` is what the macro was given. */
export interface Checker {
  check(node: ASTNode, context: unknown): Type
  getType(name: string): Type
}

/** Evaluates nodes, for a macro. `context` is what the macro was given. */
export interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

/** What replaces a call: a function with a parameter of the type `ast` makes one for each call, when it is parsed. */
export interface Macro {
  typeCheck(checker: Checker, macro: this, context: unknown): Type
  evaluate(evaluator: Evaluator, macro: this, context: unknown): unknown
}

interface Call {
  readonly args: readonly ASTNode[]
  /** `null` for a function. */
  readonly receiver: ASTNode | null
}

/** A parsed expression. A call evaluates it. */
export interface ParseResult {
  (context?: object): unknown
  readonly ast: ASTNode
  check(): {
    readonly valid: boolean
    readonly type?: string
    readonly error?: ParseError | CelTypeError
  }
}

interface Limits {
  readonly maxAstNodes?: number
  readonly maxDepth?: number
  readonly maxListElements?: number
  readonly maxMapEntries?: number
  readonly maxCallArguments?: number
}

interface Options {
  readonly limits?: Limits
  /** Is given each result of `+`, `-`, `*` and `/`. Its own result takes the place. It may throw. */
  readonly checkResult?: (value: unknown) => unknown
}

/** The variables and functions of expressions. */
export class Environment {
  constructor(options?: Options)
  /** Adds a function such as `f(int): bool`, or a method such as `string.f(int): bool`. */
  registerFunction(signature: string, handler: (...args: never[]) => unknown): this
  /** Adds a macro: its signature has a parameter of the type `ast`. */
  registerFunction(signature: string, expand: (call: Call) => Macro): this
  registerVariable(name: string, type: string): this
  /** Adds a variable with these members and no others. */
  registerVariable(variable: {
    readonly name: string
    readonly schema: Readonly<Record<string, string>>
  }): this
  /** Throws a {@link ParseError}. */
  parse(expression: string): ParseResult
}
