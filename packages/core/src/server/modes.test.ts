import { describe, expect, it } from 'vitest'
import type { InheritedSocket } from './descriptor.ts'
import { cleanEnvironment, findMode, type Mode, type Surroundings } from './modes.ts'

const cgi = { GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET' }
const systemd = { LISTEN_PID: '42', LISTEN_FDS: '1' }
const listening: InheritedSocket = { kind: 'listening', path: '/run/web/app.sock' }
const connected: InheritedSocket = { kind: 'socket' }
const other: InheritedSocket = { kind: 'other' }

function mode(
  given: Partial<Omit<Surroundings, 'descriptor0'>> & { fd0?: InheritedSocket } = {},
): Mode {
  const { fd0 = other, ...rest } = given
  return findMode({
    env: {},
    arguments: [],
    pid: 42,
    listen: undefined,
    gateway: undefined,
    descriptor0: () => fd0,
    interactive: false,
    ...rest,
  })
}

const tcp = (port: number) => ({ type: 'tcp', host: '127.0.0.1', port })

describe('findMode', () => {
  it('takes CGI variables without a listening descriptor 0 for CGI, whatever else is set', () => {
    for (const fd0 of [other, connected]) {
      expect(
        mode({
          fd0,
          env: { ...cgi, ...systemd, FASTCGI_LISTEN: ':9000', FASTCGI_GATEWAY: '1' },
          arguments: ['--listen', '0.0.0.0:9000', '--help', '--gateway'],
          listen: ':9001',
          gateway: true,
          interactive: true,
        }),
      ).toEqual({ type: 'cgi' })
    }
  })

  it('needs both variables for CGI', () => {
    expect(mode({ env: { GATEWAY_INTERFACE: 'CGI/1.1' } }).type).toBe('usage')
    expect(mode({ env: { REQUEST_METHOD: 'GET' } }).type).toBe('usage')
  })

  it('is no CGI script when descriptor 0 listens', () => {
    expect(mode({ env: cgi, fd0: listening })).toEqual({
      type: 'spawned',
      path: '/run/web/app.sock',
    })
  })

  it('tries option, argument, variable, systemd, descriptor 0, terminal in that order', () => {
    const all = {
      env: { ...systemd, FASTCGI_LISTEN: ':3' } as Record<string, string>,
      arguments: ['--listen', ':2'],
      listen: ':1',
      fd0: listening,
      interactive: true,
    }
    expect(mode(all)).toEqual({ type: 'listen', address: tcp(1), origin: 'option listen' })
    const noOption = { ...all, listen: undefined }
    expect(mode(noOption)).toEqual({ type: 'listen', address: tcp(2), origin: '--listen' })
    const noArgument = { ...noOption, arguments: [] }
    expect(mode(noArgument)).toEqual({ type: 'listen', address: tcp(3), origin: 'FASTCGI_LISTEN' })
    const noVariable = { ...noArgument, env: systemd }
    expect(mode(noVariable)).toEqual({ type: 'systemd', sockets: [{ fd: 3, name: 'unknown' }] })
    const noSystemd = { ...noVariable, env: {} }
    expect(mode(noSystemd)).toEqual({ type: 'spawned', path: '/run/web/app.sock' })
    const noSocket = { ...noSystemd, fd0: other }
    expect(mode(noSocket)).toEqual({ type: 'gateway', port: undefined })
    expect(mode({ ...noSocket, interactive: false }).type).toBe('usage')
  })

  it('does not take a connected socket, a pipe or a file for FastCGI', () => {
    expect(mode({ fd0: connected }).type).toBe('usage')
    expect(mode({ fd0: other }).type).toBe('usage')
  })

  it('reads --listen=ADDRESS, stops at --, and leaves other arguments to the app', () => {
    expect(mode({ arguments: ['--verbose', '--listen=:7', 'x'] })).toMatchObject({
      address: tcp(7),
    })
    expect(mode({ arguments: ['--', '--listen=:7'] }).type).toBe('usage')
  })

  it('takes an empty FASTCGI_LISTEN for none', () => {
    expect(mode({ env: { FASTCGI_LISTEN: '' } }).type).toBe('usage')
  })

  it('throws for an address that is none', () => {
    expect(() => mode({ arguments: ['--listen'] })).toThrow(/cannot listen on ""/)
    expect(() => mode({ listen: 'app.sock' })).toThrow(/app\.sock/)
  })

  it('prints usage for --help and -h, also with a socket at hand', () => {
    for (const help of ['--help', '-h']) {
      expect(mode({ arguments: [help], fd0: listening })).toEqual({
        type: 'usage',
        reason: undefined,
      })
    }
  })

  describe('systemd', () => {
    it.each([
      { LISTEN_PID: '41', LISTEN_FDS: '1' },
      { LISTEN_FDS: '1' },
      { LISTEN_PID: '42' },
      { LISTEN_PID: '42', LISTEN_FDS: '0' },
      { LISTEN_PID: '42', LISTEN_FDS: '-1' },
      { LISTEN_PID: '42', LISTEN_FDS: 'x' },
      { LISTEN_PID: '42', LISTEN_FDS: '1000000000' },
    ])('is not found in %j', (env) => {
      expect(mode({ env }).type).toBe('usage')
    })

    it('takes every socket, or those named fastcgi', () => {
      expect(mode({ env: { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b' } })).toEqual({
        type: 'systemd',
        sockets: [
          { fd: 3, name: 'a' },
          { fd: 4, name: 'b' },
        ],
      })
      expect(
        mode({ env: { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:fastcgi' } }),
      ).toEqual({
        type: 'systemd',
        sockets: [{ fd: 4, name: 'fastcgi' }],
      })
    })

    it('is explained when another process was meant', () => {
      expect(mode({ env: { LISTEN_PID: '41', LISTEN_FDS: '1' } })).toMatchObject({
        reason: expect.stringContaining('LISTEN_PID is 41 but this is process 42') as string,
      })
    })
  })

  describe('gateway', () => {
    it('runs when asked, without a terminal and in production', () => {
      const env = { NODE_ENV: 'production' }
      expect(mode({ env, arguments: ['--gateway'] })).toEqual({ type: 'gateway', port: undefined })
      expect(mode({ env, gateway: true })).toEqual({ type: 'gateway', port: undefined })
      expect(mode({ env: { ...env, FASTCGI_GATEWAY: '1' } })).toEqual({
        type: 'gateway',
        port: undefined,
      })
    })

    it('runs in a terminal, but not in production and not when the option says no', () => {
      expect(mode({ interactive: true })).toEqual({ type: 'gateway', port: undefined })
      expect(mode({ interactive: true, env: { NODE_ENV: 'production' } })).toMatchObject({
        type: 'usage',
        reason: expect.stringContaining('--gateway') as string,
      })
      expect(mode({ interactive: true, gateway: false }).type).toBe('usage')
    })

    it('takes its port from the argument, the option, the variable, or PORT', () => {
      const env = { PORT: '3000' }
      expect(mode({ env, arguments: ['--gateway=3001'] })).toEqual({ type: 'gateway', port: 3001 })
      expect(mode({ env, gateway: 3002 })).toEqual({ type: 'gateway', port: 3002 })
      expect(mode({ env: { ...env, FASTCGI_GATEWAY: '3003' } })).toEqual({
        type: 'gateway',
        port: 3003,
      })
      expect(mode({ env, arguments: ['--gateway'] })).toEqual({ type: 'gateway', port: 3000 })
      expect(mode({ env, gateway: 0 })).toEqual({ type: 'gateway', port: 0 })
    })

    it.each(['x', '65536', '-1', '1.5'])('refuses port %s', (port) => {
      expect(mode({ arguments: [`--gateway=${port}`] })).toMatchObject({
        type: 'usage',
        reason: expect.stringContaining(port) as string,
      })
    })
  })
})

describe('cleanEnvironment', () => {
  it('takes out what has been used and nothing else', () => {
    const env = {
      LISTEN_PID: '1',
      LISTEN_FDS: '1',
      LISTEN_FDNAMES: 'x',
      FASTCGI_LISTEN: ':1',
      NOTIFY_SOCKET: '/run/n',
      WATCHDOG_USEC: '1',
      WATCHDOG_PID: '1',
      PATH: '/bin',
      FCGI_WEB_SERVER_ADDRS: '127.0.0.1',
    }
    cleanEnvironment(env)
    expect(env).toEqual({ PATH: '/bin', FCGI_WEB_SERVER_ADDRS: '127.0.0.1' })
  })
})
