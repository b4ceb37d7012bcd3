#!/usr/bin/env node
const { serve } = require('@fastcgi/core')

const failures = {
  throw() {
    throw new Error('no')
  },
  async reject() {
    throw new Error('no')
  },
  // Never says allow.
  end: (req, res) => res.writeHead(500).end(),
  destroy: (req, res) => res.destroy(),
  exit: () => process.exit(1),
  // Waits for ever.
  hang() {},
}

serve((req, res) => res.end(), {
  authorize: (req, res) => failures[req.url.split('?')[1]](req, res),
})
