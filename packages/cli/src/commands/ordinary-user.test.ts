/** The command in the hands of a user who is neither root nor the owner of what is looked at; root becomes nobody here. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { helloApp, makeProject, type Project, scriptFor } from '../../../../test/support/cli.ts'
import { deploy } from '../../../../test/support/deploy.ts'
import { findUser } from '../doctor/access.ts'

const isRoot = process.getuid?.() === 0
const nobody = findUser('nobody')!
const me = isRoot ? 'nobody' : os.userInfo().username

let site: Project
let own = ''

beforeAll(() => {
  site = makeProject({}, [])
  // The repository may lie where nobody else may look.
  own = site.file('command')
  deploy('packages/cli', own)
  fs.mkdirSync(site.file('node_modules/@fastcgi'), { recursive: true })
  fs.symlinkSync(
    path.join(own, 'node_modules/@fastcgi/core'),
    site.file('node_modules/@fastcgi/core'),
  )
})
afterAll(() => {
  for (const name of ['closed', 'app']) fs.chmodSync(site.file(name), 0o755)
  site.remove()
})

async function doctor(
  ...words: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const command = [path.join(own, 'bin/fastcgi.js'), 'doctor', ...words]
  const child = spawn(process.execPath, command, {
    cwd: site.folder,
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(isRoot ? { uid: nobody.uid, gid: nobody.gid } : {}),
  })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

describe('doctor, run by an ordinary user', () => {
  it('names the folder that it cannot pass itself: of a file, and of a socket', async () => {
    site.write('closed/app.mjs', helloApp)
    site.write('closed/app.fcgi', scriptFor('./app.mjs'))
    fs.chmodSync(site.file('closed'), isRoot ? 0o700 : 0o000)
    for (const [name, check] of [
      ['closed/app.fcgi', 'access'],
      ['closed/app.sock', 'socket-access'],
    ] as const) {
      const { code, stdout, stderr } = await doctor(site.file(name))
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
      expect(stdout).toMatch(new RegExp(`FAILED +${check} `))
      expect(stdout).toContain(`${me}, who runs the doctor, cannot pass ${site.file('closed')} (`)
      expect(stdout).toContain('run the doctor as root')
    }
  })

  it('says that it may not connect, and to whom the socket belongs', async () => {
    const socket = site.file('app.sock')
    const server = createServer().listen(socket)
    await once(server, 'listening')
    fs.chmodSync(socket, isRoot ? 0o660 : 0o000)
    const { code, stdout } = await doctor(socket, '--user', me)
    server.close()
    expect(code).toBe(1)
    expect(stdout).toContain(`${me}, the web server's user, may not write to the socket`)
    expect(stdout).toContain('you may not connect')
    expect(stdout).toContain(`--mode 660 --group ${me}`)
  })

  it('starts the app all the same, and says what it could not look at', async () => {
    site.write('app/app.mjs', helloApp)
    site.write('app/app.fcgi', scriptFor('./app.mjs'))
    fs.chmodSync(site.file('app'), 0o555)
    const searchPath = `${path.dirname(process.execPath)}:/usr/bin:/bin`
    const { code, stdout } = await doctor('app/app.fcgi', '--user', me, '--path', searchPath)
    expect(stdout).toMatch(/ok +load/)
    expect(stdout).toMatch(
      /- +memory-sessions +not looked at: the folder of the script cannot be written/,
    )
    expect(code).toBe(0)
  })
})
