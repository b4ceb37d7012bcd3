/**
 * The requests that real web servers sent, recorded in test/fixtures/server-params (its README tells
 * the format and the configuration behind each file).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { pair } from './raw.ts'

type Value =
  | string
  | { readonly b64: string }
  | { readonly concat: readonly [string, readonly [string, number], string] }

/** One recorded request. */
export interface Recorded {
  /** Name of the web server's configuration. */
  readonly config: string
  readonly case: string
  /** Where the configuration puts the app; `/` is the root. */
  readonly mount: string
  readonly request: {
    readonly method: string
    readonly target: Value
    readonly version: string
    readonly headers: readonly (readonly [string, Value])[]
    readonly bodyLength: number
  }
  /** False: the server answered by itself, and there are no params. */
  readonly reached: boolean
  readonly role: number
  readonly stdinLength: number
  readonly params: readonly (readonly [string, Value])[]
}

const folder = new URL('../fixtures/server-params/', import.meta.url)

/** All recorded requests that reached an app. */
export function recordedRequests(): Recorded[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl'))
    .flatMap((file) => readFileSync(new URL(file, folder), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Recorded)
    .filter(({ reached }) => reached)
}

/** A recorded value as latin1 text: one character, one byte. */
export function latin1(value: Value): string {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('latin1')
  if ('b64' in value) return Buffer.from(value.b64, 'base64').toString('latin1')
  const [head, [filler, times], tail] = value.concat
  return latin1(head) + filler.repeat(times) + latin1(tail)
}

/** The last value of a param, undefined when it was not sent. */
export function param(recorded: Recorded, name: string): string | undefined {
  const found = recorded.params.findLast(([key]) => key === name)
  return found && latin1(found[1])
}

/** The params as one block, as they were on the wire. */
export function paramsBlock(recorded: Recorded): Buffer {
  return Buffer.concat(recorded.params.map(([name, value]) => pair(name, latin1(value))))
}
