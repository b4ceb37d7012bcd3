// `npm run audit`: asks the registry for known weaknesses of every package in pnpm-lock.yaml, what we test with included.
// Ends with 0 when there are none but those told below, with 1 when there are others, and with 2 when the registry could
// not be asked (a mirror may answer 405): that is never taken for an answer.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { environment, run } from './run.mjs'
import { PNPM } from './setup.mjs'

/**
 * Old versions that adapters promise to work with and are tested with, where nothing mends them any more. They are in no
 * package of ours, so they count only as long as nothing but a test needs them.
 */
const kept = {
  'fastify@4': 'Fastify 4',
  '@fastify/middie@8': 'for Fastify 4',
  '@fastify/reply-from@9': 'for Fastify 4',
  'undici@5': 'what @fastify/reply-from 9 needs',
  '@fastify/static@7': 'for Fastify 4',
}

/** Asks, prints what came, and resolves with `{ code, line }`: the status above, and one line that says it. */
export async function audit(registry) {
  const args = ['-y', PNPM, 'audit', '--json', ...(registry ? ['--registry', registry] : [])]
  const { code, output } = await run('npx', args, { env: environment(), show: 'never' })
  const report = parse(output)
  if (report === undefined) {
    const reason = /ERR_[\s\S]*/.exec(output)?.[0] ?? output
    const words = reason.replaceAll(/[×│\s]+/g, ' ').trim()
    return { code: 2, line: `NOT ASKED: ${words || `pnpm audit ended with ${code}`}` }
  }
  const findings = Object.values(report.advisories).flatMap((advisory) =>
    advisory.findings.map((finding) => ({ ...advisory, ...finding })),
  )
  const known = findings.filter((finding) => reasonOf(finding) !== undefined)
  for (const finding of findings) {
    const { severity, module_name: name, version, title, url, paths } = finding
    const reason = reasonOf(finding)
    console.log(`${reason ? 'known' : severity}: ${name} ${version}: ${title}, ${url}`)
    console.log(`  ${reason ?? paths.join('\n  ')}`)
  }
  const others = findings.length - known.length
  const all = report.metadata.totalDependencies
  return {
    code: others > 0 ? 1 : 0,
    line: `${all} packages: ${others} weaknesses, and ${known.length} in old versions that only tests need`,
  }
}

function parse(output) {
  try {
    const report = JSON.parse(output)
    return report.advisories && report.metadata ? report : undefined
  } catch {
    return undefined
  }
}

function reasonOf({ module_name: name, version, dev }) {
  return dev ? kept[`${name}@${version.split('.')[0]}`] : undefined
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { registry: { type: 'string' } } })
  const { code, line } = await audit(values.registry)
  console.log(line)
  process.exitCode = code
}
