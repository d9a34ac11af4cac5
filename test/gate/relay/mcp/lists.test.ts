import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beginsListless,
  filterText,
  type Visibility,
} from '../../../../src/gate/relay/mcp/lists.ts'
import { tries } from '../../../kit/property.ts'

/** Everything that begins with `ok` is there for the caller. */
const visibility: Visibility = {
  has: (_kind, name) => name.startsWith('ok'),
  hears: (uri) => uri.startsWith('ok'),
  hasTemplate: (template) => template.startsWith('ok'),
}

const redactSteps = (text: string) => {
  const told = filterText(text, visibility)
  return told.outcome === 'changed' ? told.text : told.outcome
}

const result = (inner: string) => `{"jsonrpc":"2.0","id":1,"result":${inner}}`

describe('a list', () => {
  it.each([
    ['tools', 'name'],
    ['prompts', 'name'],
    ['resources', 'uri'],
    ['resourceTemplates', 'uriTemplate'],
  ])('of %s loses what its caller may not use', (list, key) => {
    const text = result(
      `{ "${list}" : [{"${key}":"no"} , {"${key}":"ok", "n":1.0},{"${key}":"no"}]}`,
    )
    expect(redactSteps(text)).toBe(result(`{ "${list}" : [{"${key}":"ok", "n":1.0}]}`))
  })

  it.each([
    ['all may be used', '{"tools":[{"name":"ok"},{"name":"ok2"}]}', 'same'],
    ['none may be used', '{"tools":[{"name":"no"},{"name":"Ok"}]}', '{"tools":[]}'],
    ['it is empty', '{"tools":[ ]}', 'same'],
    [
      'its member is escaped',
      String.raw`{"\u0074ools":[{"\u006eame":"no"}]}`,
      String.raw`{"\u0074ools":[]}`,
    ],
    ['it is none', '{"tools":{"name":"no"}}', '{"tools":[]}'],
    ['it is nothing', '{"tools":null,"x":[1]}', '{"tools":[],"x":[1]}'],
    ['it is there twice', '{"tools":[{"name":"no"}],"tools":[]}', '{"tools":[],"tools":[]}'],
    ['it is beside another', '{"tools":[1],"prompts":[1]}', '{"tools":[],"prompts":[]}'],
    ['it is further inside', '{"structuredContent":{"tools":[{"name":"no"}]}}', 'same'],
    [
      'all may cache it',
      '{"tools":[],"cacheScope":"public"}',
      '{"tools":[],"cacheScope":"private"}',
    ],
    ['all may cache another', '{"cacheScope":"public","content":["tools"]}', 'same'],
  ])('is told rightly where %s', (_name, given, expected) => {
    expect(redactSteps(result(given))).toBe(expected === 'same' ? 'same' : result(expected))
  })

  it.each([
    ...['{}', '{"title":"ok"}', '{"name":1}', '{"name":null}', '{"name":["ok"]}', '"ok"', 'null'],
    ...['{"name":"ok","name":"no"}', '{"name":"no","name":"ok"}', '["ok"]', '[{"name":"ok"}]'],
  ])('has no place for the entry %s', (entry) => {
    expect(redactSteps(result(`{"tools":[${entry},{"name":"ok"}]}`))).toBe(
      result('{"tools":[{"name":"ok"}]}'),
    )
  })

  it('keeps every byte that is not of what goes', () => {
    const entry = String.raw`{"name":"ok","d":"\u00e9 \"]},{[ \\","n":[12345678901234567890,1.50,-0e-7],"o":{ }}`
    const text = `\n { "id" : 9007199254740993 ,"result":{"tools":[${entry},\t{"name":"no"}, ${entry} ]} }\r\n`
    expect(redactSteps(text)).toBe(
      `\n { "id" : 9007199254740993 ,"result":{"tools":[${entry},${entry} ]} }\r\n`,
    )
  })

  it.each([
    ['entries', `{"result":{"tools":[${'0,'.repeat(150_000)}0]}}`, '{"result":{"tools":[]}}'],
    ['members', `{"result":{"tools":[],${'"":0,'.repeat(150_000)}"":0}}`, 'same'],
    ['messages', `[${'0,'.repeat(150_000)}{"result":{"tools":[]}}]`, 'same'],
    [
      'lists that are none',
      `{"result":{${'"tools":0,'.repeat(130_000)}"x":0}}`,
      `{"result":{${'"tools":[],'.repeat(130_000)}"x":0}}`,
    ],
  ])('can have a great many %s', (_name, given, expected) => {
    expect(redactSteps(given) === expected).toBe(true)
  })
})

describe('a text that goes on', () => {
  it.each([
    '',
    '{',
    '{"jsonrpc":"2.0","id":1,"resu',
    '{"id":1,"result":{"content":[{"type":"text","text":"\\"tools\\":[',
    '{"id":1,"result":{"structuredContent":{"tools":[{"name":"no"}]},"isError":false}}',
    '{"id":1,"result":{"structuredContent":{"n":NaN},"x":[1,{"a":"]"},',
    '{"id":1,"result":"tools"}',
    '{"id":1,"error":{"data":{"tools":[]}}}',
    'tools: none',
  ])('begins without a list: %s', (text) => {
    expect(beginsListless(text)).toBe(true)
  })

  it.each([
    '{"id":1,"result":{"tools"',
    '{"id":1,"result":{"tools":[{"name":"no"}],"nextCursor":"',
    '\uFEFF \n{ "result" : { "nextCursor":"a\\\\" , "resourceTemplates" :[',
    String.raw`{"id":1,"result":{"\u0070rompts":[`,
    String.raw`{"result":{"\uZZ":0,"tools":[`,
    '{"result":{},"result":{"resources":[',
    '[{"id":1,"result":{}}',
    '[',
  ])('begins with one, or may: %s', (text) => {
    expect(beginsListless(text)).toBe(false)
  })

  it('is read to its end, wherever that is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.nat(), (inner, at) => {
        const text = `{"id":1,"result":{"content":${inner}}}`
        beginsListless(text.slice(0, at % text.length))
        beginsListless(`{"result":${inner}`)
        const listed = `{"result":{"x":${JSON.stringify(inner)},"tools":[`
        expect(beginsListless(listed)).toBe(false)
      }),
      tries(30, 100),
    )
  })
})

describe('a message', () => {
  const updated = (uri: string) =>
    `{"method":"notifications/resources/updated","params":{"uri":${uri}}}`

  it.each([
    [updated('"ok"'), 'same'],
    [updated('"no"'), 'gone'],
    [updated('1'), 'gone'],
    ['{"method":"notifications/resources/updated"}', 'gone'],
    ['{"method":"notifications/resources/updated","params":{"uri":"ok","uri":"no"}}', 'gone'],
    [String.raw`{"method":"notifications\/resources\/updated","params":{"uri":"no"}}`, 'gone'],
    ['{"method":"x","params":{"uri":"no"},"method":"notifications/resources/updated"}', 'gone'],
    ['{"method":"notifications/resources/list_changed"}', 'same'],
    ['{"id":1,"error":{"code":-1,"message":"tools"}}', 'same'],
    ['{"result":{"tools":[{"name":"no"}]', 'unreadable'],
    ['tools', 'unreadable'],
    ['', 'same'],
    ['[]', 'same'],
  ])('%s is %s', (text, expected) => {
    expect(redactSteps(text)).toBe(expected)
  })

  it('with several results is filtered in each', () => {
    const results = (...names: readonly string[]) =>
      `{"id":1,${names.map((name) => `"result":{"tools":[${name}]}`).join(',')}}`
    const hidden = '{"name":"no"}'
    expect(redactSteps(results('', hidden, hidden))).toBe(results('', '', ''))
  })

  it('in a batch is judged like one alone', () => {
    const list = (name: string) => result(`{"tools":[{"name":"${name}"}]}`)
    const batch = (...messages: readonly string[]) => `[${messages.join(',')}]`
    expect(redactSteps(batch(list('ok'), list('ok')))).toBe('same')
    expect(redactSteps(batch(list('no'), '{"id":2}'))).toBe(
      batch(result('{"tools":[]}'), '{"id":2}'),
    )
    expect(redactSteps(batch(updated('"no"'), list('no')))).toBe(batch(result('{"tools":[]}')))
    expect(redactSteps(batch(updated('"no"'), updated('"no"')))).toBe('gone')
    expect(redactSteps(`[${batch(list('no'))}]`)).toBe('same')
  })
})

describe('any JSON', () => {
  it('is what a parser makes of it with the list filtered', () => {
    const spaced = fc.constantFrom('', ' ', '\n', '\t\r\n')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.json()), { maxLength: 8 }),
        fc.json(),
        spaced,
        (entries, other, space) => {
          const one = ([isOk, inner]: [boolean, string]) =>
            `{"x":${inner},"name":${space}"${isOk ? 'ok' : 'no'}"}`
          const text = (of: readonly [boolean, string][]) =>
            `{"result":{"o":${other}${space},"tools":[${of.map(one).join(`${space},`)}]}}`
          const told = redactSteps(text(entries))
          const kept = entries.filter(([isOk]) => isOk)
          const expected = text(kept)
          expect(JSON.parse(told === 'same' ? text(entries) : told)).toEqual(JSON.parse(expected))
          expect(told === 'same').toBe(kept.length === entries.length)
        },
      ),
      tries(30, 100),
    )
  })

  it('never makes it throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        filterText(`{"result":{"tools":${text}}}`, visibility)
        filterText(`[{"method":"notifications/resources/updated","params":${text}}]`, visibility)
        filterText(`${text}tools`, visibility)
      }),
      tries(30, 100),
    )
  })
})
