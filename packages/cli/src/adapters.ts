/** Makes a listener of whatever an entry exports; the adapter of a framework is loaded only for an app of it. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RequestTaker } from '@fastcgi/core'
import { appKind, noAppIn, type AppKind } from './app-kind.ts'

interface Adapter {
  adapt(app: unknown): RequestTaker | Promise<RequestTaker>
}

/** What came of an entry. */
export interface Adapted {
  readonly kind: AppKind
  readonly taker: RequestTaker
  /** Runs when the process is to end: Fastify has hooks for it. */
  readonly close: (() => unknown) | undefined
}

/**
 * @param app what the entry exports, loaded
 * @param entry its file: adapters are looked up from there
 * @throws NoAppError for what is no app, Error when the adapter is not installed; both say what to do
 */
export async function adaptApp(app: unknown, entry: string): Promise<Adapted> {
  const kind = appKind(app)
  const file = path.basename(entry)
  if (kind === undefined) throw noAppIn(app, file)
  if (kind === 'server' || kind === 'listener') {
    return { kind, taker: app as RequestTaker, close: undefined }
  }
  const adapter = await loadAdapter(kind, entry)
  const close = kind === 'fastify' ? () => (app as { close(): unknown }).close() : undefined
  return { kind, taker: await adapter.adapt(app), close }
}

async function loadAdapter(kind: 'express' | 'koa' | 'fastify', entry: string): Promise<Adapter> {
  const name = `@fastcgi/${kind}`
  try {
    const file = createRequire(entry).resolve(name)
    return (await import(pathToFileURL(file).href)) as Adapter
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  try {
    // Installed beside this command, for instance globally.
    return (await import(name)) as Adapter
  } catch (cause) {
    if (!isMissing(cause)) throw cause
    const framework = `${kind[0]!.toUpperCase()}${kind.slice(1)}`
    const message = `${path.basename(entry)} exports an app of ${framework}, and its adapter is not installed: run npm install ${name}`
    throw new Error(message, { cause })
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
}
