export {ParseError, EvaluationError, TypeError as CelTypeError} from './errors.js'
export {Environment} from './evaluator.js'
export {Duration} from './functions.js'
