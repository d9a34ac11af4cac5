import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { run } from '../command/kit.ts'
import { ROOT } from '../kit/repository.ts'

const read = (name: string) => readFileSync(join(ROOT, 'examples/self-host', name), 'utf8')

const documents = parseAllDocuments(read('kubernetes.yaml'))
const objects = new Map(documents.map((one) => [one.get('kind'), one.toJS()]))
const pod = objects.get('StatefulSet').spec.template
const [container] = pod.spec.containers

/** The command with the arguments of a text, which are its options. */
const optionsIn = (text: string) => text.match(/--[a-z-]+/g) ?? []

describe('the manifest for Kubernetes', () => {
  it('is YAML without a mistake', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    expect([...objects.keys()]).toEqual(['StatefulSet', 'Service', 'NetworkPolicy', 'Ingress'])
  })

  it('has one gate for each disk, which no other node may mount', () => {
    const { replicas, volumeClaimTemplates } = objects.get('StatefulSet').spec
    expect(replicas).toBe(1)
    expect(volumeClaimTemplates[0].spec.accessModes).toEqual(['ReadWriteOncePod'])
    expect(container.volumeMounts[0].name).toBe(volumeClaimTemplates[0].metadata.name)
    expect(read('Dockerfile')).toContain(`"--data", "${container.volumeMounts[0].mountPath}"`)
  })

  it('names one port and one label throughout', () => {
    const [{ name, containerPort }] = container.ports
    const [{ targetPort }] = objects.get('Service').spec.ports
    const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe]
    expect(new Set([targetPort, ...probes.map(({ httpGet }) => httpGet.port)])).toEqual(
      new Set([name]),
    )
    expect(container.args).toContain(`*:${containerPort}`)
    expect(objects.get('Service').spec.selector).toEqual(pod.metadata.labels)
    expect(objects.get('NetworkPolicy').spec.podSelector.matchLabels).toEqual(pod.metadata.labels)
  })

  it('waits longer than the gate does', () => {
    const grace = Number.parseInt(container.args[container.args.indexOf('--grace') + 1], 10)
    const { seconds } = container.lifecycle.preStop.sleep
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(grace + seconds)
  })
})

it('options of image and manifest are those of the command', async () => {
  const [, serve = ''] = read('Dockerfile').split('ENTRYPOINT')
  const used = new Set([...optionsIn(serve), ...optionsIn(container.args.join(' '))])
  expect(used.size).toBeGreaterThan(3)
  const { stdout } = await run(['serve', '--help'])
  for (const option of used) expect(stdout).toContain(option)
})
