#!/usr/bin/env node
const { serve } = require('@fastcgi/koa')

serve(() => import('./app.mjs'))
