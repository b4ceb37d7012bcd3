/** Loads nginx by wrk, which costs far less than any client on Node and so leaves the machine to what is measured. */
import { execFile, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RequestShape } from '../cases.ts'
import type { JobResult } from './generator.ts'

/** The installed wrk's version, or undefined. */
export function wrkVersion(): string | undefined {
  try {
    // wrk --version exits 1 after printing it.
    execFileSync('wrk', ['--version'], { stdio: 'pipe' })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer }
    return /wrk (\S+)/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1]
  }
  return undefined
}

function script(request: RequestShape): string {
  const headers = request.headers
    .map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
    .join('\n')
  return `wrk.method = ${JSON.stringify(request.method)}
${headers}
${request.body === undefined ? '' : `wrk.body = [==[${request.body}]==]`}
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('\\n@%d %d %d %d %d\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), bad))
end
`
}

/**
 * One run of wrk against a port of 127.0.0.1.
 * @throws Error when wrk failed or more than one answer in a thousand was an error
 */
export async function runWrk(
  folder: string,
  port: number,
  request: RequestShape,
  connections: number,
  seconds: number,
): Promise<JobResult> {
  const file = join(folder, 'wrk.lua')
  writeFileSync(file, script(request))
  const { stdout } = await promisify(execFile)('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${Math.ceil(seconds)}s`,
    '-s',
    file,
    `http://127.0.0.1:${port}${request.path}`,
  ])
  const numbers = /^@(.*)$/m.exec(stdout)?.[1]?.split(' ').map(Number)
  const [requests = 0, micros = 0, p50 = 0, p99 = 0, bad = 0] = numbers ?? []
  if (requests === 0 || bad > requests / 1000)
    throw new Error(`wrk: ${requests} answers, ${bad} errors`)
  return { requests, seconds: micros / 1e6, p50: p50 / 1000, p99: p99 / 1000, reconnects: 0 }
}
