#!/usr/bin/env node
// Decides who may have the files that a web server serves: FastCGI's Authorizer role. Nothing else
// lets a request through but allow(): an error, a refusal, an ended process all mean no.
const { serve } = require('@fastcgi/core')

/** Who has which token; a real one asks a database or checks a signature. */
const tokens = new Map([['let-me-in', 'ann']])

function authorize(req) {
  const token = /(?:^|;\s*)token=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1]
  const user = tokens.get(token)
  if (user === undefined) return req.fastcgi.deny(403, 'Not for you.\n')
  // The web server has it in its environment, for its log or for what serves the request.
  return req.fastcgi.allow({ REMOTE_USER: user })
}

serve((req, res) => res.writeHead(404).end(), { authorize })
