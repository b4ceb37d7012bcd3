#!/usr/bin/env node
const { serve } = require('@fastcgi/core')

const app = require('./app.js')
serve(app, JSON.parse(process.env.APP_OPTIONS ?? '{}')).then((server) => app.served(server))
