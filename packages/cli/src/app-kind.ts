/**
 * What an entry exports, told apart by what it can do, without importing any framework: so an app is recognised
 * whatever copy or version of its framework made it.
 */
import { NoAppError, whyNoApp } from '@fastcgi/core'

/** Not imported: from Node 22 on that would load undici into the process that serves (35 ms). */
const http = process.getBuiltinModule('node:http')

/** Kinds of app that can be served. */
export type AppKind = 'express' | 'koa' | 'fastify' | 'server' | 'listener'

/** The kind of an app, or undefined for what is none. */
export function appKind(app: unknown): AppKind | undefined {
  if (typeof app === 'function') {
    if (has(app, 'handle', 'set', 'use') && 'mountpath' in app) return 'express'
    return whyNoApp(app) === undefined ? 'listener' : undefined
  }
  if (typeof app !== 'object' || app === null) return undefined
  if (app instanceof http.Server) return 'server'
  if (has(app, 'callback', 'createContext')) return 'koa'
  if (has(app, 'ready', 'decorateRequest', 'inject') && 'server' in app) return 'fastify'
  return undefined
}

/** Why something that was exported cannot be served, and what to do. */
export function noAppIn(value: unknown, file: string): NoAppError {
  return new NoAppError(`${file} exports no app, but`, whyNoApp(value) ?? 'something else')
}

function has(value: object, ...methods: string[]): boolean {
  return methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
