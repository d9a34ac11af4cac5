import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diff } from '../../src/cli/diff.ts'
import { environmentToml, folder, PARTS, run, toml, write } from './kit.ts'

const directory = await folder()
let count = 0
const file = (text: string) => write(directory, `${count++}.toml`, text)

const plain = await file(toml())
const wider = await file(
  toml({ route: PARTS.route.replace('["a:read"]', '{ any = ["a:read", "a:list"] }') }),
)
const issuer = await file(toml({ issuer: `${PARTS.issuer}\nagent_id = "sub"` }))
const noToml = await file('[vars')
const broken = await file(toml({ gate: '' }))
const reordered = await file(
  toml({
    route: `[[vars.ROUTES]]\nmatch = "POST /b"\nscopes = ["b"]\n${PARTS.route}`,
  }),
)
const ordered = await file(
  toml({ route: `${PARTS.route}\n[[vars.ROUTES]]\nscopes = ["b"]\nmatch = "POST /b"` }),
)

describe('diff', () => {
  it('says no where access widens, and who gains what', async () => {
    expect(await diff(plain, wider)).toMatchObject({
      exitCode: 1,
      out: [
        'gains: tokens of acme with `a:list` may now call GET /a (was: `a:read`)',
        'Access widens.',
      ],
      err: [],
      json: {
        widens: true,
        before: plain,
        after: wider,
        environment: null,
        gains: [
          {
            text: 'tokens of acme with `a:list` may now call GET /a (was: `a:read`)',
            of: ['GET /a'],
            issuers: ['acme'],
            widens: true,
          },
        ],
        loses: [],
        changes: [],
      },
    })
  })

  it('says yes where it narrows, and who loses what', async () => {
    expect(await diff(wider, plain)).toMatchObject({
      exitCode: 0,
      out: [
        'loses: tokens of acme with `a:list` may no longer call GET /a (now: `a:read`)',
        'Access does not widen.',
      ],
      json: { widens: false },
    })
  })

  it('says no where it cannot compare', async () => {
    expect(await diff(plain, issuer)).toMatchObject({
      exitCode: 1,
      out: [
        'changes: issuer acme: `agent_id` is now ["sub"] (was ["client_id"]), which cannot be compared: counted as wider',
        'Access widens.',
      ],
    })
  })

  it('compares what is meant, not what is written', async () => {
    expect(await diff(ordered, reordered)).toMatchObject({ exitCode: 0, out: ['Nothing changes.'] })
  })

  it('compares one environment', async () => {
    const staging = environmentToml('staging')
    const one = await file(toml({ more: staging }))
    const other = await file(toml({ more: staging.replace('"a:read"', '"a:other"') }))
    expect((await diff(one, other)).out).toEqual(['Nothing changes.'])
    const found = await diff(one, other, { env: 'staging' })
    expect(found).toMatchObject({ exitCode: 1, json: { environment: 'staging' } })
  })

  it.each([
    ['no file', join(directory, 'none.toml'), {}, 'there is no such file'],
    ['no TOML', noToml, {}, 'no valid TOML'],
    ['a broken policy', broken, {}, 'GATE.resource: is required'],
    ['no such environment', plain, { env: 'prod' }, 'has no [env.prod]'],
  ])('cannot tell with %s, on either side', async (_, wrong, options, message) => {
    for (const pair of [
      [wrong, plain],
      [plain, wrong],
    ] as const) {
      const outcome = await diff(...pair, options)
      expect(outcome).toMatchObject({ exitCode: 2, out: [] })
      expect(outcome.err.join('\n')).toContain(message)
    }
  })
})

it('is a command', async () => {
  const no = await run(['diff', plain, wider])
  expect(no).toMatchObject({ code: 1, stderr: '' })
  expect(no.stdout).toContain('gains: ')
  const yes = await run(['diff', wider, plain, '--json'])
  expect(yes.code).toBe(0)
  expect(JSON.parse(yes.stdout)).toMatchObject({ widens: false, gains: [], loses: [{}] })
  expect(await run(['diff', plain])).toMatchObject({ code: 2 })
})
