/**
 * A registry on a port of the loopback: packages as they were packed, and for what those need from elsewhere the copies
 * that the workspace has installed. So `npm install` lines run as they stand, and ask nobody else.
 */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'

import { root } from './documents.ts'

interface Manifest {
  readonly name: string
  readonly version: string
}

interface Version {
  readonly manifest: Manifest
  tarball(): Promise<Buffer>
}

export interface Registry {
  readonly url: string
  /** Names that were asked for and are not here. */
  readonly missed: readonly string[]
  close(): Promise<void>
}

async function tar(words: readonly string[]): Promise<Buffer> {
  const { stdout } = await promisify(execFile)('tar', [...words], {
    encoding: 'buffer',
    maxBuffer: 1 << 28,
  })
  return stdout
}

/** What pnpm has installed: each version once, in a folder of its own. */
function installed(): Map<string, Version[]> {
  const found = new Map<string, Version[]>()
  const store = path.join(root, 'node_modules/.pnpm')
  for (const place of fs.readdirSync(store)) {
    const name = /^(@[^+]+\+[^@]+|[^@]+)@/.exec(place)?.[1]?.replace('+', '/')
    const folder = path.join(store, place, 'node_modules', name ?? '')
    if (name === undefined || !fs.existsSync(path.join(folder, 'package.json'))) continue
    const text = fs.readFileSync(path.join(folder, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as Manifest
    const others = found.get(name) ?? []
    if (others.some((other) => other.manifest.version === manifest.version)) continue
    const words = ['--exclude=./node_modules', '--transform=s,^\\./,package/,', '-cf', '-', '.']
    found.set(name, [...others, { manifest, tarball: () => tar(['-C', folder, ...words]) }])
  }
  return found
}

/** @param tarballs files that `pnpm pack` has made */
export async function startRegistry(tarballs: readonly string[]): Promise<Registry> {
  const packages = installed()
  for (const file of tarballs) {
    const text = await tar(['-xzOf', file, 'package/package.json'])
    const manifest = JSON.parse(text.toString()) as Manifest
    packages.set(manifest.name, [{ manifest, tarball: () => fs.promises.readFile(file) }])
  }
  const missed: string[] = []
  const server = http.createServer((req, res) => {
    const [, name, version] =
      /^\/(.+?)(?:\/-\/(.+)\.tgz)?$/.exec(decodeURIComponent(req.url!)) ?? []
    const versions = packages.get(name ?? '')
    if (req.method !== 'GET' || name === undefined || versions === undefined) {
      missed.push(`${String(req.method)} ${String(req.url)}`)
      res.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
      return
    }
    const wanted = versions.find(({ manifest }) => manifest.version === version)
    if (wanted === undefined) {
      res.end(describe(name, versions, url))
      return
    }
    wanted.tarball().then(
      (body) => res.end(body),
      (error: unknown) => res.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  return {
    url,
    missed,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** All versions of a package, as npm asks for them. The newest that is here is the newest there is. */
function describe(name: string, versions: readonly Version[], url: string): string {
  const entries = versions.map(({ manifest }) => {
    const dist = { tarball: `${url}/${name}/-/${manifest.version}.tgz` }
    return [manifest.version, { ...manifest, dist }] as const
  })
  const newest = versions
    .map(({ manifest }) => manifest.version)
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
  return JSON.stringify({
    name,
    'dist-tags': { latest: newest },
    versions: Object.fromEntries(entries),
  })
}
