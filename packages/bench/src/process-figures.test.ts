import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cpuByProgram, cpuMicroseconds } from './process-figures.ts'

const folder = mkdtempSync(join(tmpdir(), 'fastcgi-bench-test-'))

afterAll(() => rmSync(folder, { recursive: true }))

test('what a program used is told from what the programs used that it has started', async () => {
  const program = join(folder, 'parent.cjs')
  writeFileSync(
    program,
    `const name = process.argv[2] ?? 'bench-parent'
process.title = name
process.on('disconnect', () => process.exit())
const ready = () => process.send(name)
if (name === 'bench-child') ready()
else require('node:child_process').fork(__filename, ['bench-child']).once('message', ready)
`,
  )
  const parent = fork(program, { execArgv: [] })
  try {
    await once(parent, 'message')
    const pid = parent.pid ?? 0
    const before = cpuMicroseconds(pid)
    const found = cpuByProgram(pid)
    expect([...found.keys()]).toEqual(['bench-parent', 'bench-child'])
    for (const micros of found.values()) expect(micros).toBeGreaterThan(0)
    const sum = [...found.values()].reduce((total, micros) => total + micros, 0)
    expect(sum).toBeGreaterThanOrEqual(before)
    expect(sum).toBeLessThanOrEqual(cpuMicroseconds(pid))
  } finally {
    parent.disconnect()
    await once(parent, 'exit')
  }
})
