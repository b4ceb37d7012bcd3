#!/usr/bin/env node
const { serve } = require('@fastcgi/fastify')

serve(() => import('./app.mjs'))
