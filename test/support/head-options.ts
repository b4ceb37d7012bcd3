/** Options for `readRequestHead` as the server's defaults would be, with what a test needs otherwise. */
import { METHODS } from 'node:http'
import type { HeadOptions } from '../../packages/core/src/cgi/request-head.ts'

export function headOptions(options: Partial<HeadOptions> = {}): HeadOptions {
  return {
    script: '/srv/entry/app.fcgi',
    target: 'raw',
    trustedProxies: () => false,
    trustRemoteUser: false,
    maxHeaderSize: 16_384,
    maxPairs: 1000,
    maxNameLength: 1024,
    maxValueLength: 65_536,
    // The first releases of Node 20 and 22 do not know QUERY, which a recorded request uses.
    methods: new Set([...METHODS, 'QUERY']),
    ...options,
  }
}
