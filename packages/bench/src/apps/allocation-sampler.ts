/** Where an application process allocates: V8's sampling heap profiler, objects already collected included. */
import { Session } from 'node:inspector/promises'
import type { HeapProfiler } from 'node:inspector'

/** Bytes that one function allocated while the sampler ran. */
export interface AllocatingFunction {
  readonly name: string
  readonly location: string
  readonly bytes: number
}

/** Starts and stops the profiler; `stop` answers the functions that allocated most, largest first. */
export class AllocationSampler {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('HeapProfiler.startSampling', {
      samplingInterval: 4096,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as HeapProfiler.StartSamplingParameterType)
  }

  async stop(): Promise<AllocatingFunction[]> {
    const { profile } = await this.#session.post('HeapProfiler.stopSampling')
    this.#session.disconnect()
    const byPlace = new Map<string, AllocatingFunction>()
    const visit = (node: HeapProfiler.SamplingHeapProfileNode): void => {
      const { functionName, url, lineNumber } = node.callFrame
      const location = `${url}:${lineNumber + 1}`
      const key = `${functionName} ${location}`
      const bytes = (byPlace.get(key)?.bytes ?? 0) + node.selfSize
      byPlace.set(key, { name: functionName || '(anonymous)', location, bytes })
      for (const child of node.children) visit(child)
    }
    visit(profile.head)
    return [...byPlace.values()].toSorted((a, b) => b.bytes - a.bytes)
  }
}
