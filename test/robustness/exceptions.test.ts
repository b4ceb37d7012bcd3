/** Where this server does otherwise than the letter of FastCGI 1.0 and CGI/1.1 would have it, each with the reason. */
import { describe, expect, it } from 'vitest'

import { request } from '../support/raw.ts'
import { bodyOf, requestParams, statusOf } from '../support/raw-peer.ts'
import { serving } from './serving.ts'

const plain = (id: number, url = '/'): Buffer =>
  request(id, { params: requestParams(url), keep: true })

describe('exceptions to the specifications', () => {
  it('§5.5, OVERLOADED: a 503 page and END_REQUEST 0/0, since a bare OVERLOADED is an empty 200 under mod_proxy_fcgi and hangs HAProxy', async () => {
    const { connect } = await serving(() => {}, { maxRequests: 1 })
    const peer = await connect()
    peer.write(Buffer.concat([plain(1), plain(2)]))
    const answer = await peer.answer(2)
    expect(statusOf(answer)).toBe(503)
    expect(answer).toMatchObject({ appStatus: 0, protocolStatus: 0 })
  })

  it('§6.2, appStatus: 0 where a page was sent, also for a failure, since the page says what there is to say and no server reads it', async () => {
    const { connect } = await serving((_req, res) => void res.destroy())
    const peer = await connect()
    peer.write(plain(1))
    const answer = await peer.answer(1)
    expect(statusOf(answer)).toBe(500)
    expect(answer).toMatchObject({ appStatus: 0, protocolStatus: 0 })
  })

  it.each(['-1', '', undefined])(
    'RFC 3875 §4.1.2, CONTENT_LENGTH %j with a body: read to its end and shown as chunked, since Caddy, nginx and mod_proxy_fcgi send uploads so',
    async (length) => {
      const { connect } = await serving((req, res) => {
        void req.toArray().then((parts: Buffer[]) => {
          res.end(`${req.headers['transfer-encoding']} ${Buffer.concat(parts).toString()}`)
        })
      })
      const peer = await connect()
      const extra: Record<string, string> = length === undefined ? {} : { CONTENT_LENGTH: length }
      peer.write(
        request(1, { params: requestParams('/', 'POST', extra), body: 'a body', keep: true }),
      )
      expect(bodyOf(await peer.answer(1))).toBe('chunked a body')
    },
  )

  it('RFC 3875 §6.3.1, Content-Type: none where the app sets none, since a guess (text/html) has been an XSS (CVE-2020-24553)', async () => {
    const { connect } = await serving((_req, res) => void res.end('<b>'))
    const peer = await connect()
    peer.write(plain(1))
    expect((await peer.answer(1)).stdout).not.toMatch(/content-type/i)
  })

  it('RFC 3875 §4.1.5, §4.1.13: url is REQUEST_URI as the client sent it, and SCRIPT_NAME is a mount only where the configuration fixes it, since servers decode paths and put the client’s into SCRIPT_NAME', async () => {
    const { connect } = await serving((req, res) => void res.end(`${req.url} ${req.fastcgi.mount}`))
    const peer = await connect()
    const extra = {
      REQUEST_URI: '/a%2Fb//c',
      SCRIPT_NAME: '/a/b/c',
      SERVER_SOFTWARE: 'nginx/1.22.1',
    }
    peer.write(request(1, { params: { ...requestParams('/'), ...extra }, keep: true }))
    expect(bodyOf(await peer.answer(1))).toBe('/a%2Fb//c ')
  })
})
