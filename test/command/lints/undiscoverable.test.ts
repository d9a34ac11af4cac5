import { expect, it } from 'vitest'
import { undiscoverable } from '../../../src/command/lints/undiscoverable.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'

const SCOPES = { 'files:reader': ['files:read:*'], writer: ['write'] }
const TOOLS = {
  free: [],
  plain: ['write'],
  template: ['write', 'files:read:{arguments.path}'],
  either: { any: ['write', 'files:read:{arguments.path}'] },
}
const warned = (mcp: object) =>
  undiscoverable(mcpFacts({ tools: TOOLS, ...mcp }, {}, { SCOPES }).policy, {
    routePaths: ['ROUTES_7[0]'],
  }).map(({ path, message }) => `${path}: ${message}`)

it.each<[string, object, readonly RegExp[]]>([
  [
    'a template, which nothing offers',
    {},
    [
      /^ROUTES_7\[0\]\.mcp\.tools\.template: needs `files:read:\{arguments\.path\}`, .*name a scope/,
    ],
  ],
  [
    'nothing where an offered scope includes all',
    { offered_scopes: ['writer', 'files:reader'] },
    [],
  ],
  [
    'a scope that is left out of what is offered',
    { offered_scopes: ['files:reader'] },
    [/tools\.plain: needs `write`.*or leave offered_scopes out/, /tools\.template: needs `write`/],
  ],
  [
    'prompts and resources likewise',
    {
      tools: { free: [] },
      prompts: { p: ['p'] },
      resources: { 'x://*': ['r'] },
      offered_scopes: ['p'],
    },
    [/mcp\.resources\[?.*x:\/\/\*.*: needs `r`/],
  ],
])('warns of %s', (_what, mcp, expected) => {
  expect(warned(mcp)).toEqual(expected.map((one) => expect.stringMatching(one)))
})

it('warns of nothing where no rule has mcp', () => {
  const { policy } = mcpFacts({ tools: TOOLS })
  expect(undiscoverable({ ...policy, routes: [] }, {})).toEqual([])
})
