// Asks hosts how they are, and to end. The name of a host's socket is made of the environment that the web server gave
// the relays, which nobody else knows; so all of this user are asked which script they run.
import type { FoundHosts, SharedHost } from './find-hosts.ts'
import { existingFolders, findKey } from './folder.ts'
import { Generations } from './generations.ts'
import type { HostStatus } from './greeting.ts'
import { greet, type Answer } from './link.ts'

/** Looks, each after a host has followed another. */
const maxAttempts = 10

interface Asked {
  readonly path: string
  readonly key: string
  readonly timeout: number
}

/** See `findSharedHosts`. */
export async function askHosts(script: string, timeout: number): Promise<FoundHosts> {
  const asked = existingFolders(process.env).flatMap((folder) => {
    const key = findKey(folder)
    if (key === undefined) return []
    return Generations.in(folder).map((generations) => askNewest(generations, key, timeout))
  })
  const hosts: SharedHost[] = []
  const silent: string[] = []
  for (const found of await Promise.all(asked)) {
    if (typeof found === 'string') silent.push(found)
    else if (found?.script === script) hosts.push(found)
  }
  return { hosts, silent }
}

/** The host, or the path where somebody does not answer, or undefined where nobody listens. */
async function askNewest(
  generations: Generations,
  key: string,
  timeout: number,
): Promise<SharedHost | string | undefined> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const newest = generations.newest()
    if (newest === 0n) return undefined
    const asked = { path: generations.path(newest), key, timeout }
    const answer = await ask(asked, 'status')
    if (answer === undefined) return asked.path
    if (answer.type === 'taken') {
      const status = await readStatus(answer)
      answer.socket.destroy()
      return status === undefined ? asked.path : { ...status, stop: () => stop(asked) }
    }
    // While one is being started its starter listens, and makes room for it.
    if (answer.type === 'failed' || generations.newest() === newest) return undefined
  }
  return undefined
}

async function stop(asked: Asked): Promise<boolean> {
  const answer = await ask(asked, 'stop')
  if (answer === undefined) throw new Error(`the process at ${asked.path} does not answer`)
  if (answer.type !== 'taken') return false
  const { socket } = answer
  await new Promise<void>((resolve) => {
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    socket.on('close', () => resolve())
    socket.resume()
  })
  return true
}

/** Undefined when there was no answer in time. */
async function ask(
  { path, key, timeout }: Asked,
  kind: 'status' | 'stop',
): Promise<Answer | undefined> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), timeout)
  try {
    return await greet(path, kind, key, undefined, silence.signal)
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** Undefined when it ended before its line was complete. */
function readStatus({
  socket,
  rest,
}: Extract<Answer, { type: 'taken' }>): Promise<HostStatus | undefined> {
  return new Promise((resolve) => {
    let got = rest
    const read = (): void => {
      const end = got.indexOf(0x0a)
      if (end !== -1) resolve(JSON.parse(got.toString('utf8', 0, end)) as HostStatus)
    }
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk])
      read()
    })
    socket.on('error', () => resolve(undefined))
    socket.on('end', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    read()
    socket.resume()
  })
}
