/**
 * Where FastCGI cannot, or should not, be what node:http is: each by name, with its reason. A scenario that lists one
 * must show it, so that none outlives its reason.
 */
import type { Observation } from './scenario.ts'

export interface Difference {
  readonly reason: string
  /** Takes out of an observation what differs. */
  readonly without: (observation: Observation) => Observation
  /** Shows on some versions of Node or in some passes only. */
  readonly sometimes?: boolean
}

export type DifferenceName = keyof typeof differences

export const differences = {
  'page for a reset': {
    reason:
      'node:http closes a connection it does not answer on. A web server in front makes what it likes of that, several an empty 200: so the client gets a page with a status that says what happened.',
    without: (observation) => ({
      ...observation,
      status: 0,
      reason: '',
      headers: [],
      body: '',
      end: '',
    }),
  },
  'page of a refusal': {
    reason:
      'What the parser of node:http refuses it answers with a bare status line; here the refusal is a page.',
    without: (observation) => ({ ...observation, headers: [], body: '' }),
  },
  'bytes beyond ASCII in a target': {
    reason:
      'The parser of node:http refuses them; here the web server has judged the target, and nginx lets them pass.',
    without: (observation) => ({
      ...observation,
      status: 0,
      reason: '',
      headers: [],
      body: '',
      log: [],
      values: {},
    }),
  },
  'target in absolute form': {
    reason: 'A request to a proxy: some web servers pass it as it came. An app routes by the path.',
    without: (observation) => withoutValues(observation, 'url'),
  },
  'underscore in a name': {
    reason: 'CGI writes `-` and `_` in the name of a header alike (RFC 3875 §4.1.18).',
    without: (observation) => withoutValues(observation, 'headers', 'distinct', 'raw'),
  },
  'forwarded for': {
    reason:
      'The web server is a proxy in front of the app, so the client is appended to X-Forwarded-For as any proxy does.',
    without: (observation) => withoutValues(observation, 'headers', 'distinct', 'raw'),
  },
  'headers of the connection': {
    reason:
      "TE, Keep-Alive, Connection and Upgrade speak of the client's connection to the web server.",
    without: (observation) => withoutValues(observation, 'headers', 'distinct', 'raw'),
  },
  'Proxy header': {
    reason:
      'It would be HTTP_PROXY in the environment of a program the app starts, which then trusts it (httpoxy).',
    without: (observation) => withoutValues(observation, 'headers', 'distinct', 'raw'),
  },
  'interim responses': {
    reason: 'CGI has one response; a 1xx cannot pass a FastCGI web server and is swallowed.',
    without: (observation) => ({ ...observation, interim: [] }),
  },
  trailers: {
    reason: 'CGI has none: those of a response are dropped.',
    without: (observation) => ({ ...observation, trailers: [] }),
  },
  'Status header': {
    reason:
      'In a CGI response `Status` is the status itself (RFC 3875 §6.3.3), so the app has no such header.',
    without: (observation) => ({
      ...observation,
      headers: observation.headers.filter((line) => !line.startsWith('status:')),
    }),
  },
  'stand-in socket': {
    reason:
      "A connection is the web server's and may carry many requests, so `req.socket` is what one request sees of it: it does what http and apps ask of a net.Socket, but is neither one nor a stream.",
    without: (observation) => withoutValues(observation, 'instances'),
  },
  'length of a 204': {
    reason:
      'RFC 9110 §8.6: a 204 has no Content-Length. Some web servers would wait for its body, others take it away.',
    without: (observation) => ({
      ...observation,
      headers: observation.headers.filter((line) => !line.startsWith('content-length:')),
    }),
  },
  "ticks at a body's end": {
    reason:
      "node:http reports the end of a body that came with its head when all ticks that its last part set off are over; here it comes two ticks after that part, so what takes more ticks sees 'end' first.",
    without: (observation) => ({
      ...observation,
      log: observation.log
        .filter((line) => !line.startsWith('unhandledRejection'))
        .map((line) => (/^req (?:end|close)/.test(line) ? line.replace('headersSent,', '') : line)),
    }),
    sometimes: true,
  },
  'lost in node:http': {
    reason:
      'node:http writes a broken chunked body here (some versions); there are no chunks in FastCGI.',
    without: (observation) => ({
      ...observation,
      body: '',
      end: '',
      log: observation.log.filter((line) => !line.startsWith('uncaughtException no ')),
    }),
    sometimes: true,
  },
  'end heard too late': {
    reason:
      "Where nobody listens and no body comes, the request is closed without the stream's two ticks, which cost a tenth of a small request; who listens for 'end' only after the response's 'close' hears nothing.",
    without: (observation) => ({
      ...observation,
      log: observation.log.filter((line) => line !== 'end'),
    }),
    sometimes: true,
  },
  'bytes on their way': {
    reason: 'How much a client has read when it goes is chance.',
    without: (observation) => ({ ...observation, body: '' }),
    sometimes: true,
  },
  'after an exception': {
    reason:
      'An exception in a listener leaves the parser of node:http where it was, and the request is never complete; here its body ends.',
    without: (observation) => ({
      ...observation,
      log: observation.log
        .filter((line) => !/^req (?:aborted|error|end|close)/.test(line))
        .map((line) => line.replace(/req: [^ ]*/, 'req:')),
    }),
  },
  'async context of a kept connection': {
    reason:
      'On Node 20 and 22 enterWith() reaches the next request of a connection of node:http; here each request has a context of its own.',
    without: (observation) => ({ ...observation, log: [] }),
    sometimes: true,
  },
  'finished early': {
    reason:
      'Node 20 and 22 call a response finished as soon as the kernel has all of it, which for large ones depends on its buffers.',
    without: (observation) => ({
      ...observation,
      log: observation.log.map((line) =>
        line.startsWith('res prefinish') ? line.replace(',finished', '') : line,
      ),
    }),
    sometimes: true,
  },
} as const satisfies Record<string, Difference>

function withoutValues(observation: Observation, ...names: string[]): Observation {
  const values = Object.entries(observation.values).filter(([name]) => !names.includes(name))
  return { ...observation, values: Object.fromEntries(values) }
}
