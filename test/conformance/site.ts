/**
 * One web server in front of one app: what a case needs to talk to it. Says nothing about how
 * either was started.
 */
import { once } from 'node:events'
import net from 'node:net'
import tls, { type ConnectionOptions } from 'node:tls'

import {
  http,
  openHttp,
  type HttpRequest,
  type HttpResponse,
  type HttpStream,
} from '../support/http-client.ts'

/** What a server with a configuration can do; a case reads it instead of a server's name. */
export interface Abilities {
  /** Response bytes reach the client while the app still writes. */
  readonly streamsResponses: boolean
  /** Request bytes reach the app while the client still sends. */
  readonly streamsUploads: boolean
  /** A client that goes away in mid-response is told to the app: at once, at the next write, or not. */
  readonly tellsOfGoneClient: 'at once' | 'at next write' | 'no'
  /** A cut response reaches the client as one that is not complete. */
  readonly showsCutResponse: boolean
  /** The same for one without Content-Length; default: no. */
  readonly showsCutOfUnknownLength?: boolean
  /** The header by which the app hands a file to the server. */
  readonly offload: 'x-accel-redirect' | 'x-sendfile' | undefined
  /** Static files come from the server. */
  readonly staticFiles: boolean
  /** The server compresses what the app does not; default: it does not. */
  readonly compresses?: boolean
  /** The client's Authorization header reaches the app. */
  readonly authorization: boolean
  /** All requests are served by one process, so that one request can look at another. */
  readonly oneProcess: boolean
}

export interface Site {
  /** Server and configuration file, as `nginx site.conf`. */
  readonly name: string
  /** `nginx`, `lighttpd`, `haproxy`, `caddy`, `h2o`, `apache`. */
  readonly server: string
  /** Where the app is mounted: empty or `/app`. */
  readonly mount: string
  readonly port: number
  /** How to connect when the site speaks TLS. */
  readonly tls?: ConnectionOptions
  readonly can: Abilities
}

type Options = Omit<HttpRequest, 'port' | 'target'>

function toHttp(site: Site, target: string, options: Options): HttpRequest {
  return {
    ...options,
    port: site.port,
    target: `${site.mount}${target}`,
    ...(site.tls === undefined ? {} : { tls: site.tls as HttpRequest['tls'] }),
  }
}

/** Sends a request for a target below the mount, and waits for the whole response. */
export async function ask(
  site: Site,
  target: string,
  options: Options = {},
): Promise<HttpResponse> {
  return http(toHttp(site, target, options))
}

/** The same, but resolves at the response head. */
export async function open(site: Site, target: string, options: Options = {}): Promise<HttpStream> {
  return openHttp(toHttp(site, target, options))
}

/** A bare connection to the site, for a client that leaves. */
export async function connect(site: Site): Promise<net.Socket> {
  const where = { host: '127.0.0.1', port: site.port }
  const socket =
    site.tls === undefined
      ? net.connect(where)
      : tls.connect({ rejectUnauthorized: false, ...where, ...site.tls })
  await once(socket, site.tls === undefined ? 'connect' : 'secureConnect')
  return socket
}

/** What the app saw of the request with this id: body bytes, and events in their order. */
export async function seenOf(
  site: Site,
  id: string,
): Promise<{ bytes: number; events: string[] } | null> {
  return (await ask(site, `/seen?id=${id}`)).json() as { bytes: number; events: string[] } | null
}
