import type { Server } from 'node:http'

/** What the tests use of a Nest app. */
export interface NestApp {
  init(): Promise<unknown>
  listen(port: number, host?: string): Promise<unknown>
  getHttpServer(): Server
  getHttpAdapter(): { getInstance(): unknown }
  close(): Promise<void>
}

export function makeNestApp(platform: 'express' | 'fastify'): Promise<NestApp>
