import { describe, expect, it } from 'vitest'
import {
  type RevocationSubject,
  revocableSubjects,
  revocationId,
  subjectHash,
} from '../../../src/gate/model/revocation.ts'
import type { AccessToken, AgentIdentity } from '../../../src/gate/model/token.ts'
import { accessOf, agentOf, ISSUER } from '../../kit/facts.ts'

const OTHER = 'https://other.example.com'

describe('subjectHash', () => {
  it('is the first 8 bytes of SHA-256 and holds no more', async () => {
    const hash = await subjectHash('abc')
    expect(hash).toEqual(Uint8Array.of(0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea))
    expect(hash.buffer.byteLength).toBe(8)
  })
})

describe('the id of a revocation', () => {
  it('is 22 characters, of which the first begins no option of a command', async () => {
    const values = Array.from({ length: 500 }, (_, i) => `agent-${i}`)
    const ids = await Promise.all(
      values.map((value) => revocationId({ kind: 'agent', issuer: ISSUER, value }, 'block')),
    )
    expect(new Set(ids).size).toBe(500)
    for (const id of ids) expect(id).toMatch(/^\w[\w-]{21}$/)
  })
})

describe('what a revocation can name', () => {
  const of = (kind: RevocationSubject['kind'], value: string, issuer = ISSUER) => ({
    kind,
    issuer,
    value,
  })

  it.each<[string, Partial<AccessToken>, Partial<AgentIdentity>, readonly RevocationSubject[]]>([
    [
      'all there is',
      {},
      {
        name: 'acme/planner',
        workflowId: 'w1',
        actors: [
          { sub: 'a', issuer: ISSUER },
          { sub: 'b', issuer: OTHER },
          { sub: 'c', issuer: 'https://nobody.example.com' },
        ],
      },
      [
        of('issuer', ''),
        of('key', 'key-1'),
        of('token', 'token-1'),
        of('agent', 'planner'),
        of('subject', 'alice'),
        of('client', 'app'),
        of('workflow', 'w1'),
        of('agent', 'a'),
        of('agent', 'b', OTHER),
        of('agent', 'c', 'https://nobody.example.com'),
      ],
    ],
    ['the least', {}, {}, [of('issuer', ''), of('agent', 'planner')]],
  ])('%s', (name, access, agent, subjects) => {
    const { subject, clientId, id, kid, ...bare } = accessOf(access)
    const token = name === 'the least' ? bare : { ...bare, subject, clientId, id, kid }
    expect(revocableSubjects(token as AccessToken, agentOf(agent))).toEqual(subjects)
  })
})
