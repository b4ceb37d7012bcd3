#!/usr/bin/env node
// Where the tests look for processes that are left.
process.env.FASTCGI_SHARED_DIR ??= require('node:path').join(__dirname, '../private/shared')

const { serve } = require('@fastcgi/core/shared')

serve(() => import('./app.mjs'), {
  adapt: async (app) => (await import('@fastcgi/express')).adapt(app),
})
