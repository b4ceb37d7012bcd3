/** The real systemd-notify against a socket that stands in for systemd's: what arrives, and from whom. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startFastcgiApp } from '../support/fastcgi-app.ts'
import { until } from '../support/until.ts'
import { findProgram, temporaryFolder, writableFolder } from '../support/web-server.ts'
import { conformanceSite } from './setup.ts'

// Node has no datagram sockets of the unix family. A descriptor that comes along (BARRIER=1) is
// closed by being left alone: systemd-notify waits for that.
const listener = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
print("bound", flush=True)
while True:
    print(s.recv(65536).decode().replace(chr(10), " "), flush=True)
`

describe('systemd-notify', () => {
  const folder = temporaryFolder('notify')
  const socket = path.join(folder, 'notify')
  let systemd: ChildProcess
  let heard = ''

  beforeAll(async () => {
    findProgram('systemd-notify', 'apt-get install systemd')
    const python = findProgram('python3', 'apt-get install python3')
    systemd = spawn(python, ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    systemd.stdout?.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    await until(() => heard.includes('bound'), 'the socket')
  })

  afterAll(() => {
    systemd?.kill('SIGKILL')
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it('tells of the start, a reload, signs of life and the end, in this order', async () => {
    const app = await startFastcgiApp({
      file: path.join(conformanceSite, 'app.fcgi'),
      listen: path.join(writableFolder(folder, 'run'), 'app.sock'),
      args: ['--workers', '2'],
      env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' },
    })
    await until(
      () => heard.includes('READY=1'),
      () => `READY=1 in ${heard}${app.log()}`,
    )
    process.kill(app.pid, 'SIGHUP')
    await until(
      () => /RELOADING=1[^]*READY=1/.test(heard),
      () => `a reload in ${heard}${app.log()}`,
    )
    await until(
      () => heard.includes('WATCHDOG=1'),
      () => `WATCHDOG=1 in ${heard}`,
    )
    await app.stop()
    await until(
      () => heard.includes('STOPPING=1'),
      () => `STOPPING=1 in ${heard}`,
    )
    expect(heard.replaceAll(/(WATCHDOG|BARRIER)=1\s*/g, '').replaceAll(/\d{4,}/g, 'N')).toBe(
      [
        'bound',
        'READY=1 STATUS=serving',
        'RELOADING=1 MONOTONIC_USEC=N',
        'READY=1 STATUS=serving',
        'STOPPING=1 STATUS=finishing what runs',
        '',
      ].join('\n'),
    )
  })
})
