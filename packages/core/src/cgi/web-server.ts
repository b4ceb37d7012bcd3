// Which web server is in front, from SERVER_SOFTWARE: several put the same thing into other variables.

/** The web servers whose habits matter here. */
export const WebServer = {
  Other: 0,
  Nginx: 1,
  Apache: 2,
  Lighttpd: 3,
  HAProxy: 4,
  Caddy: 5,
  H2o: 6,
} as const

/** One of {@link WebServer}. */
export type WebServer = (typeof WebServer)[keyof typeof WebServer]

const starts: readonly (readonly [start: string, server: WebServer])[] = [
  ['nginx', WebServer.Nginx],
  ['Apache', WebServer.Apache],
  ['lighttpd', WebServer.Lighttpd],
  ['HAProxy', WebServer.HAProxy],
  ['Caddy', WebServer.Caddy],
  ['h2o', WebServer.H2o],
]

let lastSoftware = ''
let lastServer: WebServer = WebServer.Other

/** The web server that SERVER_SOFTWARE names, such as `nginx/1.22.1`. */
export function webServerOf(software: string): WebServer {
  // An app nearly always has one web server.
  if (software === lastSoftware) return lastServer
  const found = starts.find(([start]) => software.startsWith(start))
  const server = found === undefined ? WebServer.Other : found[1]
  if (software.length <= 128) {
    // A copy: the text may be a slice that holds a whole request in memory.
    lastSoftware = Buffer.from(software, 'latin1').latin1Slice()
    lastServer = server
  }
  return server
}
