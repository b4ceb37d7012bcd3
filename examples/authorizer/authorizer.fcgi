#!/usr/bin/env node
// Decides who may have what a web server serves: FastCGI's Authorizer role. Nothing else lets a
// request through but allow(): an error, a refusal, an ended process all mean no.
const crypto = require('node:crypto')
const { promisify } = require('node:util')
const { serve } = require('@fastcgi/core')

const scrypt = promisify(crypto.scrypt)

/** Who has which token; a real one asks a database or checks a signature. */
const tokens = new Map([['let-me-in', 'ann']])

/** Passwords are kept as scrypt(password, salt, 32), here of `secret` and of `sesame`. */
const users = new Map([
  ['ann', { salt: 'an', hash: '69b2a8f711528c24a357a295df55fcac2abee1dc39a6843e5465afb442a3837f', member: true }],
  ['bob', { salt: 'bo', hash: '016209236867f4bfe62e1a7fdf6baaad3d9653f085b3d812476abf8b8e21bea2', member: false }],
])

/** The cookie `token`: whose is it? */
function byToken(req) {
  const token = /(?:^|;\s*)token=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1]
  const user = tokens.get(token)
  if (user === undefined) return req.fastcgi.deny(403, 'Not for you.\n')
  // The web server has it in its environment, for its log and for what serves the request.
  return req.fastcgi.allow({ REMOTE_USER: user, PERMISSION: 'read' })
}

/** Apache has a name and a password from the client: is that the password? */
async function byPassword(req, name, password) {
  const user = users.get(name)
  const given = await scrypt(Buffer.from(password, 'latin1'), user?.salt ?? '', 32)
  const right = user !== undefined && crypto.timingSafeEqual(given, Buffer.from(user.hash, 'hex'))
  if (!right) return req.fastcgi.deny(401)
  return req.fastcgi.allow({ REMOTE_USER: name, PERMISSION: 'read' })
}

/** Apache knows who it is: may this user have it? */
function byUser(req) {
  if (users.get(req.fastcgi.remoteUser)?.member !== true) return req.fastcgi.deny(403)
  return req.fastcgi.allow({ MEMBERSHIP: 'full' })
}

function authorize(req) {
  // Only Apache sends these two, and no client can: its headers all become HTTP_….
  const { FCGI_APACHE_ROLE: question, REMOTE_PASSWD: password } = req.fastcgi.params
  if (password !== undefined) return byPassword(req, req.fastcgi.params.REMOTE_USER, password)
  if (question === 'AUTHORIZER') return byUser(req)
  return byToken(req)
}

serve((req, res) => res.writeHead(404).end(), { authorize })
